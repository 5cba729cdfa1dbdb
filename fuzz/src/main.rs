//! Everything of the service that reads bytes from outside, given bytes that nobody would send.
//!
//! One program with all targets, so that it is linked once; the variable `FUZZ_TARGET` says which one runs. Start
//! it with `tools/fuzz`; `docs/fuzzing.md` says how.
#![no_main]

mod input;
mod targets;
mod world;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use targets::{TARGETS, Target};

static CHOSEN: OnceLock<&Target> = OnceLock::new();

/// Which target the caller wants; without one, tells what there is and ends.
fn choose() -> &'static Target {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    if let Some(target) = TARGETS.iter().find(|target| target.name == wanted) {
        return target;
    }
    if wanted == "list" {
        for target in TARGETS {
            println!("{}", target.name);
        }
        std::process::exit(0);
    }
    eprintln!("FUZZ_TARGET={wanted:?} names no target; FUZZ_TARGET=list shows them all");
    std::process::exit(2);
}

fuzz_target!(
    init: {
        CHOSEN.get_or_init(choose);
    },
    |data: &[u8]| {
        (CHOSEN.get_or_init(choose).run)(data);
    }
);
