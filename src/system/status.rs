//! The word of `get_status`: every figure is held against two limits (contract §5.6), the worst one
//! decides, and says which it was and what to do.

use std::time::Duration;

use super::STALE_AFTER;
use crate::health::assess::Verdict;

/// So few calls make no rate: one failure of two would be half.
const FEWEST_CALLS: u64 = 20;
/// The contract's limits are for a box that takes so many connections.
const USUAL_CONNECTIONS: usize = 1000;

/// Everything the word is made of. `None` is a figure that is not known; it decides nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// Percentage of memory in use.
    pub memory_percent: Option<f64>,
    /// Calls of the last minutes.
    pub calls: u64,
    /// Those that failed by the service's own doing.
    pub failed: u64,
    /// Time of all of them together.
    pub took: Duration,
    /// Open connections.
    pub connections: usize,
    /// Those that may be open; 0 = no limit.
    pub most_connections: usize,
    /// Live tasks and threads.
    pub tasks: Option<usize>,
    /// Percentage of the storage that may still be written.
    pub free_percent: Option<f64>,
    /// How old that figure is, or for how long it has been waited for.
    pub storage_age: Duration,
    /// Checks of MediaMTX in a row that failed.
    pub failures: u32,
    /// For how long MediaMTX has not answered, while it does not.
    pub media_silent: Option<Duration>,
    /// What health says of the cameras, with cause and action where it is not healthy.
    pub cameras: Option<(Verdict, String, String)>,
}

/// A figure that is not as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// Which.
    pub figure: &'static str,
    /// How bad.
    pub verdict: Verdict,
    /// What it is, and where its limit lies.
    pub cause: String,
    /// What to do.
    pub action: String,
}

/// Every figure that is not as it should be, worst first; the first one decides.
#[must_use]
pub fn judge(figures: &Figures) -> Vec<Decided> {
    let mut all: Vec<Decided> = [
        memory(figures),
        errors(figures),
        response(figures),
        connections(figures),
        tasks(figures),
        storage(figures),
        storage_age(figures),
        failures(figures),
        silence(figures),
        cameras(figures),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.sort_by_key(|decided| std::cmp::Reverse(decided.verdict));
    all
}

/// The word.
#[must_use]
pub fn verdict(decided: &[Decided]) -> Verdict {
    decided.first().map_or(Verdict::Healthy, |d| d.verdict)
}

/// Degraded from `degraded` on, unhealthy from beyond `unhealthy` on.
fn above(value: f64, degraded: f64, unhealthy: f64) -> Option<(Verdict, f64)> {
    if value > unhealthy {
        Some((Verdict::Unhealthy, unhealthy))
    } else if value >= degraded {
        Some((Verdict::Degraded, degraded))
    } else {
        None
    }
}

fn memory(figures: &Figures) -> Option<Decided> {
    let used = figures.memory_percent?;
    let (verdict, limit) = above(used, 90.0, 95.0)?;
    Some(Decided {
        figure: "memory",
        verdict,
        cause: format!("{used:.1} % of the memory is in use; the limit is {limit:.0} %"),
        action: "see what uses it (process_resident_memory_bytes of this service is in /metrics); use fewer cameras or smaller pictures".to_owned(),
    })
}

fn errors(figures: &Figures) -> Option<Decided> {
    if figures.calls < FEWEST_CALLS {
        return None;
    }
    let rate = super::percent(figures.failed, figures.calls);
    let (verdict, limit) = above(rate, 5.0, 10.0)?;
    Some(Decided {
        figure: "error_rate",
        verdict,
        cause: format!(
            "{} of {} calls of the last minutes failed, {rate:.1} %; the limit is {limit:.0} %",
            figures.failed, figures.calls
        ),
        action: "camera_service_rpc_calls_total in /metrics tells which methods fail; read the log of that time".to_owned(),
    })
}

fn response(figures: &Figures) -> Option<Decided> {
    if figures.calls < FEWEST_CALLS {
        return None;
    }
    let calls = u32::try_from(figures.calls).unwrap_or(u32::MAX);
    let mean = (figures.took / calls).as_secs_f64() * 1000.0;
    let (verdict, limit) = above(mean, 1000.0, 2000.0)?;
    Some(Decided {
        figure: "response_time",
        verdict,
        cause: format!("calls take {mean:.0} ms in the mean; the limit is {limit:.0} ms"),
        action: "camera_service_rpc_duration_seconds in /metrics tells which methods are slow; look at the load of the processors".to_owned(),
    })
}

/// The contract's limits grow with what the box is allowed to take.
fn scaled(limit: usize, figures: &Figures) -> Option<f64> {
    if figures.most_connections == 0 {
        return None;
    }
    let most = figures.most_connections.max(USUAL_CONNECTIONS);
    let scaled = limit.saturating_mul(most) / USUAL_CONNECTIONS;
    u32::try_from(scaled).ok().map(f64::from)
}

fn connections(figures: &Figures) -> Option<Decided> {
    let open = u32::try_from(figures.connections).ok()?;
    let limits = (scaled(900, figures)?, scaled(950, figures)?);
    let (verdict, limit) = above(f64::from(open), limits.0, limits.1)?;
    Some(Decided {
        figure: "connections",
        verdict,
        cause: format!("{open} connections are open; the limit is {limit:.0}"),
        action: "look for clients that connect again and again without closing, or raise server.max_connections".to_owned(),
    })
}

fn tasks(figures: &Figures) -> Option<Decided> {
    let tasks = u32::try_from(figures.tasks?).ok()?;
    let limits = (scaled(1000, figures)?, scaled(1200, figures)?);
    let (verdict, limit) = above(f64::from(tasks), limits.0, limits.1)?;
    Some(Decided {
        figure: "tasks",
        verdict,
        cause: format!("{tasks} tasks and threads live; the limit is {limit:.0}"),
        action: "each connection takes one: see the connections; if there are few, restart the service and report it".to_owned(),
    })
}

fn storage(figures: &Figures) -> Option<Decided> {
    let free = figures.free_percent?;
    let (verdict, limit) = if free < 15.0 {
        (Verdict::Unhealthy, 15)
    } else if free <= 30.0 {
        (Verdict::Degraded, 30)
    } else {
        return None;
    };
    Some(Decided {
        figure: "storage",
        verdict,
        cause: format!("{free:.1} % of the storage is free; the limit is {limit} %"),
        action: "delete recordings, or let them be deleted by themselves with set_retention_policy"
            .to_owned(),
    })
}

fn storage_age(figures: &Figures) -> Option<Decided> {
    (figures.storage_age > STALE_AFTER).then(|| Decided {
        figure: "storage_age",
        verdict: Verdict::Degraded,
        cause: format!(
            "the storage has not answered for {} s; what is said of it is as old",
            figures.storage_age.as_secs()
        ),
        action: "look for the disk in the kernel log; check its cable or its network".to_owned(),
    })
}

fn failures(figures: &Figures) -> Option<Decided> {
    let verdict = match figures.failures {
        0..=2 => return None,
        3..=4 => Verdict::Degraded,
        _ => Verdict::Unhealthy,
    };
    Some(Decided {
        figure: "health_failures",
        verdict,
        cause: format!(
            "MediaMTX failed {} checks in a row, one each second",
            figures.failures
        ),
        action: "it is restarted by itself; if it stays, read MediaMTX's log".to_owned(),
    })
}

fn silence(figures: &Figures) -> Option<Decided> {
    let silent = figures.media_silent?;
    let verdict = match silent {
        s if s >= Duration::from_secs(10) => Verdict::Unhealthy,
        s if s > Duration::from_secs(5) => Verdict::Degraded,
        _ => return None,
    };
    Some(Decided {
        figure: "mediamtx",
        verdict,
        cause: format!("MediaMTX has not answered for {} s", silent.as_secs()),
        action: "it is restarted by itself; if it stays, read MediaMTX's log".to_owned(),
    })
}

fn cameras(figures: &Figures) -> Option<Decided> {
    let (verdict, cause, action) = figures.cameras.clone()?;
    (verdict > Verdict::Healthy).then_some(Decided {
        figure: "cameras",
        verdict,
        cause,
        action,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Option<Verdict> = None;
    const DEGRADED: Option<Verdict> = Some(Verdict::Degraded);
    const UNHEALTHY: Option<Verdict> = Some(Verdict::Unhealthy);

    fn usual() -> Figures {
        Figures {
            most_connections: 1000,
            ..Figures::default()
        }
    }

    /// What becomes of a box where one figure is as `change` makes it.
    fn with(name: &str, change: impl FnOnce(&mut Figures)) -> Option<Verdict> {
        let mut figures = usual();
        change(&mut figures);
        let all = judge(&figures);
        assert!(all.len() <= 1, "{all:?}");
        for decided in &all {
            assert_eq!(decided.figure, name);
            assert!(decided.cause.len() > 20 && decided.action.len() > 20);
        }
        all.first().map(|decided| decided.verdict)
    }

    #[test]
    fn a_box_of_which_nothing_bad_is_known_is_healthy() {
        assert_eq!(judge(&usual()), []);
        assert_eq!(verdict(&[]), Verdict::Healthy);
    }

    #[test]
    fn memory_from_90_and_beyond_95_percent() {
        let of = |percent| with("memory", |f| f.memory_percent = Some(percent));
        assert_eq!(
            [89.9, 90.0, 95.0, 95.1].map(of),
            [NONE, DEGRADED, DEGRADED, UNHEALTHY]
        );
    }

    #[test]
    fn errors_from_5_and_beyond_10_percent_of_enough_calls() {
        let of = |(failed, calls)| with("error_rate", |f| (f.failed, f.calls) = (failed, calls));
        assert_eq!(
            [(49, 1000), (50, 1000), (100, 1000), (101, 1000), (19, 19)].map(of),
            [NONE, DEGRADED, DEGRADED, UNHEALTHY, NONE]
        );
    }

    #[test]
    fn answers_from_one_and_beyond_two_seconds_in_the_mean() {
        let of = |millis: u64| {
            with("response_time", |f| {
                (f.calls, f.took) = (20, Duration::from_millis(millis * 20));
            })
        };
        assert_eq!(
            [999, 1000, 2000, 2001].map(of),
            [NONE, DEGRADED, DEGRADED, UNHEALTHY]
        );
    }

    #[test]
    fn connections_from_900_and_beyond_950_of_a_thousand_and_as_much_of_more() {
        let of = |(open, most)| {
            with("connections", |f| {
                (f.connections, f.most_connections) = (open, most);
            })
        };
        assert_eq!(
            [(899, 1000), (900, 1000), (950, 1000), (951, 1000)].map(of),
            [NONE, DEGRADED, DEGRADED, UNHEALTHY]
        );
        assert_eq!(
            [
                (8_999, 10_000),
                (9_000, 10_000),
                (9_501, 10_000),
                (9_501, 0)
            ]
            .map(of),
            [NONE, DEGRADED, UNHEALTHY, NONE]
        );
    }

    #[test]
    fn tasks_from_1000_and_beyond_1200_unless_more_connections_are_wanted() {
        let of = |tasks| with("tasks", |f| f.tasks = Some(tasks));
        assert_eq!(
            [999, 1000, 1200, 1201].map(of),
            [NONE, DEGRADED, DEGRADED, UNHEALTHY]
        );
        let many = with("tasks", |f| {
            (f.tasks, f.most_connections) = (Some(9_999), 10_000);
        });
        assert_eq!(many, NONE);
    }

    #[test]
    fn storage_up_to_30_and_below_15_percent_free() {
        let of = |free| with("storage", |f| f.free_percent = Some(free));
        assert_eq!(
            [30.1, 30.0, 15.0, 14.9].map(of),
            [NONE, DEGRADED, DEGRADED, UNHEALTHY]
        );
    }

    #[test]
    fn a_disk_that_does_not_answer_is_degraded_and_says_how_old_its_figures_are() {
        let of = |secs| with("storage_age", |f| f.storage_age = Duration::from_secs(secs));
        assert_eq!([15, 16].map(of), [NONE, DEGRADED]);
        let mut figures = usual();
        figures.storage_age = Duration::from_secs(77);
        assert!(judge(&figures)[0].cause.contains("77 s"));
    }

    #[test]
    fn failures_in_a_row_from_three_and_from_five() {
        let of = |n| with("health_failures", |f| f.failures = n);
        assert_eq!([2, 3, 4, 5].map(of), [NONE, DEGRADED, DEGRADED, UNHEALTHY]);
    }

    #[test]
    fn mediamtx_silent_beyond_five_and_from_ten_seconds() {
        let of = |millis| {
            with("mediamtx", |f| {
                f.media_silent = Some(Duration::from_millis(millis));
            })
        };
        assert_eq!(
            [5000, 5001, 9999, 10_000].map(of),
            [NONE, DEGRADED, DEGRADED, UNHEALTHY]
        );
    }

    #[test]
    fn what_health_says_of_the_cameras_counts_and_the_worst_figure_decides() {
        let frozen = "the picture of the desk camera stands still".to_owned();
        let mut figures = Figures {
            memory_percent: Some(91.0),
            cameras: Some((Verdict::Unhealthy, frozen.clone(), "shake it".to_owned())),
            ..usual()
        };
        let all = judge(&figures);
        assert_eq!((all[0].figure, all[1].figure), ("cameras", "memory"));
        assert_eq!(verdict(&all), Verdict::Unhealthy);
        figures.cameras = Some((Verdict::Healthy, String::new(), String::new()));
        assert_eq!(verdict(&judge(&figures)), Verdict::Degraded);
    }
}
