//! Hardware where there is an encoder that works, else software; passthrough where the camera codes by itself.

use std::path::{Path, PathBuf};

use crate::camera::Mode;
use crate::capture::io::V4l2Source;
use crate::capture::negotiate::Wish;
use crate::clock::Mono;
use crate::encode::Choice;
use crate::error::Result;
use crate::pipeline::Plan;
use crate::pipeline::chain::{Chain, Failure};
use crate::pipeline::hardware::Memory;
use crate::pipeline::hardware::io::{Hardware, Opening};
use crate::pipeline::open::io::direct;
use crate::pipeline::roster::NODES;
use crate::recover::Ladder;

/// Opens the camera at `node`.
///
/// # Errors
/// The part that failed. A machine without an encoder chip is no failure.
pub(in crate::pipeline::open) fn open(
    plan: &Plan,
    (node, modes, wish): (&Path, &[Mode], &Wish),
    ladder: &mut Ladder,
    now: Mono,
) -> Result<Box<dyn Chain>, Failure> {
    let why = match memory(plan.encoder) {
        None => "the configuration asks for it".to_owned(),
        Some(memory) => {
            let avoid: Vec<PathBuf> = (0..NODES)
                .filter(|n| ladder.avoids(*n, now))
                .map(|n| PathBuf::from(format!("/dev/video{n}")))
                .collect();
            let settings = plan.settings(wish.rate);
            match Hardware::open(node, modes, wish, settings, &avoid, memory) {
                Ok(Opening::Running(chain)) => return Ok(chain),
                Ok(Opening::Unsuitable(why)) => why,
                Err(failure) => {
                    if let Some(coder) = failure.coder {
                        ladder.opening(coder);
                    }
                    return Err(failure);
                }
            }
        }
    };
    let source = V4l2Source::open(node, modes, wish).map_err(Failure::capture)?;
    direct(plan, ladder, Box::new(source), why)
}

/// How a hardware encoder would be fed; `None` where none is wanted.
const fn memory(choice: Choice) -> Option<Memory> {
    match choice {
        Choice::Auto => Some(Memory::Auto),
        Choice::Copy => Some(Memory::Copy),
        Choice::Software => None,
    }
}
