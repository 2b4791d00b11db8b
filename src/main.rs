//! `memory-analyzer`: what fills the memory of a running Python process.

fn main() -> std::process::ExitCode {
    memory_analyzer::run(std::env::args_os(), false)
}
