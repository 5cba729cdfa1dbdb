//! How things are, and what to do about it.
//!
//! [`facts`] holds what is known at this moment, [`assess`] judges it, [`catalogue`] knows every
//! fault with its cause and its next action, [`due`] knows how long a verdict holds by itself, `safety`
//! judges what access rests on, [`answers`] writes the bodies. All of it is worked out anew for each
//! question from memory, so an answer is never older than the facts.

pub mod answers;
pub mod assess;
pub mod catalogue;
pub mod due;
pub mod facts;
mod safety;

/// The questions that can be asked over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// `/health`: one word, and the faults.
    Summary,
    /// `/health/detailed`: every component.
    Detailed,
    /// `/health/ready`: can it do its work?
    Ready,
    /// `/health/live`: does the process answer?
    Live,
    /// `/health/system`: the components as older clients name them.
    System,
    /// `/health/cameras`: the cameras alone.
    Cameras,
    /// `/health/mediamtx`: the media server alone.
    Mediamtx,
}

impl Probe {
    /// The question behind a path.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        Some(match path {
            "/health" => Self::Summary,
            "/health/detailed" => Self::Detailed,
            "/health/ready" => Self::Ready,
            "/health/live" => Self::Live,
            "/health/system" => Self::System,
            "/health/cameras" => Self::Cameras,
            "/health/mediamtx" => Self::Mediamtx,
            _ => return None,
        })
    }
}
