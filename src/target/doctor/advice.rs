//! The remedies for a missing right, in the order in which they are worth trying here.

use crate::error::Error;
use crate::target::machine::{Container, Machine};

/// Adds to `error` how to get `CAP_SYS_PTRACE`; `pid` is 0 for no process in particular.
pub(super) fn for_capability(mut error: Error, pid: i32, machine: &Machine) -> Error {
    let ours = &machine.ourselves;
    let root = ours.uids.effective == 0;
    if !root && ours.no_new_privileges {
        error = error.hint(
            "sudo and setcap have no effect here (no_new_privs is set: `allowPrivilegeEscalation: false`, \
             `NoNewPrivileges=yes`): run from outside as root",
        );
    } else if !root {
        let target = if pid == 0 { "PID".to_owned() } else { pid.to_string() };
        error = error.hint(format!("sudo memory-analyzer analyze {target}"));
    }
    match machine.container {
        Some(Container::Docker) => error.hint(IN_DOCKER),
        Some(Container::Podman) => error.hint(IN_PODMAN),
        Some(Container::Kubernetes) => error.hint(IN_KUBERNETES).hint(BESIDE_KUBERNETES),
        None if root => error.hint(TAKEN_AWAY),
        None if ours.no_new_privileges => error,
        None => error.hint(FILE_CAPABILITY),
    }
}

const IN_DOCKER: &str =
    "start this container with `docker run --cap-add=SYS_PTRACE …` and be root in it, or run on the host as root";
const IN_PODMAN: &str =
    "start this container with `podman run --cap-add=SYS_PTRACE …` and be root in it, or run on the host as root";
const IN_KUBERNETES: &str =
    "give this container `securityContext: {runAsUser: 0, capabilities: {add: [\"SYS_PTRACE\"]}}`";
const BESIDE_KUBERNETES: &str =
    "or attach one that has it: `kubectl debug -it POD --image=IMAGE --target=CONTAINER --profile=sysadmin`";
const TAKEN_AWAY: &str =
    "we are root, but CAP_SYS_PTRACE was taken away (a container, `CapabilityBoundingSet=`): start us with it";
const FILE_CAPABILITY: &str = "sudo setcap cap_sys_ptrace+ep \"$(command -v gdb)\" \"$(command -v memory-analyzer)\"   (lets everybody who may run \
     them attach to everything)";
