//! The camera box's daemon; the verbs are in `cli.rs`, the wiring in `app.rs`.

fn main() -> std::process::ExitCode {
    camera_service::cli::main()
}
