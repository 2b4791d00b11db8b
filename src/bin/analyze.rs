//! `analyze`: exactly `memory-analyzer analyze`.

fn main() -> std::process::ExitCode {
    memory_analyzer::run(std::env::args_os(), true)
}
