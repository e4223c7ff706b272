//! Chores: `cargo xtask <task>`.

mod definitions;
mod wire;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask wire <kafka-clients.jar | folder that holds its message definitions>";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["wire", source] => wire::generate(source),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
