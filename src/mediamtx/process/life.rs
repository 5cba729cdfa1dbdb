//! Decides when MediaMTX is started, started again and stopped. Pure: told the time, never reads it.
//!
//! It never gives up: a camera without its media server is no camera. It only gets slower and says so.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Mono;

/// Before the first attempt after a death; doubles with every further death in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The doubling ends here.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// What is waited for between attempts once the budget is spent.
const SLOW_PAUSE: Duration = Duration::from_secs(10);
/// Deaths within [`WINDOW`], or in a row, that are still taken for bad luck.
const BUDGET: usize = 8;
/// How long a death counts.
const WINDOW: Duration = Duration::from_secs(60);
/// After so long alive, the next death is the first in a row.
const SETTLED: Duration = Duration::from_secs(10);
/// What each rung of stopping gets.
const STOP_PATIENCE: [(Signal, Duration); 3] = [
    (Signal::Interrupt, Duration::from_secs(3)),
    (Signal::Terminate, Duration::from_secs(2)),
    (Signal::Kill, Duration::from_secs(5)),
];

/// A signal that asks MediaMTX to end, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: it closes its sessions and files.
    Interrupt,
    /// SIGTERM: the same, for one that lost the first.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// How the process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessState {
    /// Not ours: something else (systemd) runs it.
    External,
    /// Not wanted. Left by a start.
    Stopped,
    /// Spawned, its API has not answered yet. Left by an answer, a death or a stop.
    Starting {
        /// Since when.
        since: Mono,
        /// Its process id.
        pid: u32,
    },
    /// Its API has answered. Left by a death or a stop.
    Running {
        /// Since when it has been spawned.
        since: Mono,
        /// Its process id.
        pid: u32,
    },
    /// Dead; the next attempt waits. Left when `until` has passed, or by a stop.
    Backoff {
        /// When it died.
        died: Mono,
        /// When the next attempt is made.
        until: Mono,
        /// Why it died, in a sentence, with what to do where that is known.
        why: String,
        /// Deaths within the last minute, this one included.
        deaths: usize,
        /// It dies so often that somebody should look.
        flapping: bool,
    },
    /// Asked to end. Left by its death.
    Stopping {
        /// Since when.
        since: Mono,
        /// Its process id.
        pid: u32,
    },
}

impl ProcessState {
    /// Whether it dies so often that somebody should look.
    #[must_use]
    pub const fn is_flapping(&self) -> bool {
        matches!(self, Self::Backoff { flapping: true, .. })
    }

    /// Its process id, while there is one.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        match self {
            Self::Starting { pid, .. } | Self::Running { pid, .. } | Self::Stopping { pid, .. } => {
                Some(*pid)
            }
            Self::External | Self::Stopped | Self::Backoff { .. } => None,
        }
    }
}

/// What the shell tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// It is wanted.
    Start,
    /// The spawn succeeded.
    Spawned {
        /// The new process.
        pid: u32,
    },
    /// The process is dead, or could not be made.
    Died {
        /// Why.
        why: String,
    },
    /// Its API answered.
    Answered,
    /// It is no longer wanted.
    Stop,
    /// It should end and start anew.
    Restart,
    /// The moment of [`Life::wake`] has come.
    Timeout,
}

/// What the shell must now do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Make the process; answer with [`Input::Spawned`] or [`Input::Died`].
    Spawn,
    /// Send it this signal.
    Send(Signal),
}

/// The life of one child.
#[derive(Debug)]
pub struct Life {
    state: ProcessState,
    wanted: bool,
    /// Position in [`STOP_PATIENCE`] and when the next one is due, while stopping.
    rung: usize,
    rung_due: Mono,
    /// Deaths in a row.
    row: u32,
    deaths: VecDeque<Mono>,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            state: ProcessState::Stopped,
            wanted: false,
            rung: 0,
            rung_due: Mono::default(),
            row: 0,
            deaths: VecDeque::with_capacity(BUDGET + 2),
        }
    }
}

impl Life {
    /// How things are.
    #[must_use]
    pub const fn state(&self) -> &ProcessState {
        &self.state
    }

    /// Feeds one input; returns at most one order.
    pub fn handle(&mut self, input: Input, now: Mono) -> Option<Order> {
        use ProcessState as S;
        match input {
            Input::Start => {
                self.wanted = true;
                matches!(self.state, S::Stopped).then_some(Order::Spawn)
            }
            Input::Spawned { pid } => {
                self.state = S::Starting { since: now, pid };
                // A stop that came while it was being made.
                if self.wanted { None } else { self.stop(now) }
            }
            Input::Answered => {
                if let S::Starting { since, pid } = self.state {
                    self.state = S::Running { since, pid };
                }
                None
            }
            Input::Died { why } => self.died(why, now),
            Input::Stop => {
                self.wanted = false;
                self.stop(now)
            }
            Input::Restart => self.stop(now),
            Input::Timeout => self.timeout(now),
        }
    }

    /// When to feed [`Input::Timeout`], if ever.
    #[must_use]
    pub const fn wake(&self) -> Option<Mono> {
        match self.state {
            ProcessState::Backoff { until, .. } => Some(until),
            ProcessState::Stopping { .. } => Some(self.rung_due),
            _ => None,
        }
    }

    fn stop(&mut self, now: Mono) -> Option<Order> {
        match self.state {
            ProcessState::Starting { pid, .. } | ProcessState::Running { pid, .. } => {
                self.state = ProcessState::Stopping { since: now, pid };
                self.climb(0, now)
            }
            ProcessState::Backoff { .. } if !self.wanted => {
                self.state = ProcessState::Stopped;
                None
            }
            _ => None,
        }
    }

    fn climb(&mut self, rung: usize, now: Mono) -> Option<Order> {
        // The last rung repeats: SIGKILL works as soon as the process leaves the kernel.
        self.rung = rung.min(STOP_PATIENCE.len() - 1);
        let (signal, patience) = STOP_PATIENCE.get(self.rung).copied()?;
        self.rung_due = now + patience;
        Some(Order::Send(signal))
    }

    fn timeout(&mut self, now: Mono) -> Option<Order> {
        match self.state {
            ProcessState::Backoff { until, .. } if until <= now => Some(Order::Spawn),
            ProcessState::Stopping { .. } if self.rung_due <= now => self.climb(self.rung + 1, now),
            _ => None,
        }
    }

    fn died(&mut self, why: String, now: Mono) -> Option<Order> {
        let asked = matches!(self.state, ProcessState::Stopping { .. });
        if !self.wanted {
            self.state = ProcessState::Stopped;
            return None;
        }
        if asked {
            return Some(Order::Spawn);
        }
        let lived = match self.state {
            ProcessState::Starting { since, .. } | ProcessState::Running { since, .. } => {
                now.since(since)
            }
            _ => Duration::ZERO,
        };
        self.row = if lived >= SETTLED {
            0
        } else {
            self.row.saturating_add(1)
        };
        self.deaths.push_back(now);
        while self.deaths.len() > BUDGET + 1
            || self.deaths.front().is_some_and(|d| now.since(*d) >= WINDOW)
        {
            self.deaths.pop_front();
        }
        let flapping = self.deaths.len() > BUDGET || self.row as usize > BUDGET;
        let pause = if flapping {
            SLOW_PAUSE
        } else {
            (FIRST_PAUSE * 2_u32.saturating_pow(self.row.saturating_sub(1).min(10)))
                .min(LONGEST_PAUSE)
        };
        self.state = ProcessState::Backoff {
            died: now,
            until: now + pause,
            why,
            deaths: self.deaths.len(),
            flapping,
        };
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_nanos(millis * 1_000_000)
    }

    fn died() -> Input {
        Input::Died {
            why: "signal 9".to_owned(),
        }
    }

    fn running(pid: u32, now: Mono) -> Life {
        let mut life = Life::default();
        assert_eq!(life.handle(Input::Start, now), Some(Order::Spawn));
        assert_eq!(life.handle(Input::Spawned { pid }, now), None);
        assert_eq!(life.handle(Input::Answered, now), None);
        assert_eq!(life.state(), &ProcessState::Running { since: now, pid });
        life
    }

    #[test]
    fn a_first_death_is_followed_by_a_new_start_after_fifty_milliseconds() {
        let mut life = running(7, at(0));
        assert_eq!(life.handle(died(), at(60_000)), None);
        // An answer that was still on its way does not revive it.
        assert_eq!(life.handle(Input::Answered, at(60_001)), None);
        assert_eq!(life.wake(), Some(at(60_050)));
        assert_eq!(life.handle(Input::Timeout, at(60_049)), None);
        assert_eq!(life.handle(Input::Timeout, at(60_050)), Some(Order::Spawn));
    }

    #[test]
    fn deaths_in_a_row_wait_longer_each_then_slow_down_and_say_so_but_never_end() {
        let mut life = Life::default();
        life.handle(Input::Start, at(0));
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..30 {
            life.handle(Input::Spawned { pid: 1 }, now);
            life.handle(died(), now);
            let wake = life.wake().unwrap();
            pauses.push((wake.since(now).as_millis(), life.state().is_flapping()));
            now = wake;
            assert_eq!(life.handle(Input::Timeout, now), Some(Order::Spawn));
        }
        let quick: Vec<u128> = pauses[..8].iter().map(|p| p.0).collect();
        assert_eq!(quick, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert!(pauses[..8].iter().all(|p| !p.1));
        assert!(
            pauses[8..].iter().all(|p| *p == (10_000, true)),
            "{pauses:?}"
        );
    }

    #[test]
    fn one_that_lived_well_in_between_starts_from_the_shortest_pause_again() {
        let mut life = running(1, at(0));
        life.handle(died(), at(100));
        life.handle(Input::Timeout, at(150));
        life.handle(Input::Spawned { pid: 2 }, at(150));
        life.handle(died(), at(20_150));
        assert_eq!(life.wake(), Some(at(20_200)));
    }

    #[test]
    fn a_stop_climbs_from_interrupt_to_kill_and_a_death_ends_it() {
        let mut life = running(7, at(0));
        assert_eq!(
            life.handle(Input::Stop, at(0)),
            Some(Order::Send(Signal::Interrupt))
        );
        assert_eq!(life.handle(Input::Timeout, at(2_999)), None);
        assert_eq!(
            life.handle(Input::Timeout, at(3_000)),
            Some(Order::Send(Signal::Terminate))
        );
        assert_eq!(
            life.handle(Input::Timeout, at(5_000)),
            Some(Order::Send(Signal::Kill))
        );
        assert_eq!(
            life.handle(Input::Timeout, at(10_000)),
            Some(Order::Send(Signal::Kill))
        );
        assert_eq!(life.handle(died(), at(10_001)), None);
        assert_eq!(life.state(), &ProcessState::Stopped);
        assert_eq!(life.wake(), None);
    }

    #[test]
    fn a_restart_starts_at_once_and_is_not_counted_as_a_death() {
        let mut life = running(7, at(0));
        assert_eq!(
            life.handle(Input::Restart, at(5)),
            Some(Order::Send(Signal::Interrupt))
        );
        assert_eq!(life.handle(died(), at(30)), Some(Order::Spawn));
        assert!(life.deaths.is_empty());
    }

    #[test]
    fn a_stop_while_waiting_or_while_the_child_is_being_made_leaves_none_behind() {
        let mut waiting = running(7, at(0));
        waiting.handle(died(), at(1));
        assert_eq!(waiting.handle(Input::Stop, at(2)), None);
        assert_eq!(waiting.state(), &ProcessState::Stopped);

        let mut making = Life::default();
        assert_eq!(making.handle(Input::Start, at(0)), Some(Order::Spawn));
        assert_eq!(making.handle(Input::Stop, at(1)), None);
        assert_eq!(
            making.handle(Input::Spawned { pid: 8 }, at(2)),
            Some(Order::Send(Signal::Interrupt))
        );
    }
}
