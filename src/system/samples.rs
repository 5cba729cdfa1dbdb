//! Figures that other parts of the service keep and that `/metrics` shows.
//!
//! Whoever keeps some is asked when they are read, answers from memory, and never waits.

use std::fmt;
use std::sync::{PoisonError, RwLock};

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its family; samples of one family follow on each other.
    pub name: &'static str,
    /// It only ever grows.
    pub counter: bool,
    /// What it means.
    pub help: &'static str,
    /// What tells it from others of its family.
    pub labels: Vec<(&'static str, String)>,
    /// The figure.
    pub value: f64,
}

impl Sample {
    /// One without labels. Whole numbers are exact up to 2⁵³.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "2^53 bytes are 9 petabytes, and Prometheus keeps doubles"
    )]
    pub const fn whole(name: &'static str, counter: bool, help: &'static str, value: u64) -> Self {
        Self {
            name,
            counter,
            help,
            labels: Vec::new(),
            value: value as f64,
        }
    }
}

type Teller = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// Whom to ask.
#[derive(Default)]
pub struct Samples(RwLock<Vec<Teller>>);

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Samples")
    }
}

impl Samples {
    /// From now on `teller` is asked, too. It must answer from memory.
    pub fn ask(&self, teller: impl Fn() -> Vec<Sample> + Send + Sync + 'static) {
        let mut tellers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tellers.push(Box::new(teller));
    }

    /// All of them now.
    #[must_use]
    pub fn now(&self) -> Vec<Sample> {
        let tellers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        tellers.iter().flat_map(|teller| teller()).collect()
    }
}
