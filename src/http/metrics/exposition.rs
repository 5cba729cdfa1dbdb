//! The Prometheus text format 0.0.4: a line for each figure, its family's meaning and type above it.
//!
//! Written here because it is a page of code: the official crate `prometheus-client` writes OpenMetrics
//! only, in which a plain text reader finds no counters (their names differ from their family's), and
//! wants every figure registered beside where it already lives.

use std::fmt::{Display, Write};

/// What Prometheus answers are labelled with.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a family behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the program starts anew; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, sum and count.
    Histogram,
}

/// A page under way.
#[derive(Debug, Default)]
pub struct Page(String);

/// A label's name and value.
pub type Label<'a> = (&'static str, &'a str);

impl Page {
    /// Starts a family. Its figures must follow before the next family.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
        Family { page: self, name }
    }

    /// The whole page.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, text: impl Display) {
        // Writing to memory cannot fail.
        let _ = writeln!(self.0, "{text}");
    }
}

/// The figures of one family.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
}

impl Family<'_> {
    /// One figure.
    pub fn add(&mut self, labels: &[Label<'_>], value: impl Display) -> &mut Self {
        self.sample("", labels, None, value)
    }

    /// One histogram: how many were at most each edge (ascending), how many in all, and their sum.
    pub fn histogram(
        &mut self,
        labels: &[Label<'_>],
        buckets: impl IntoIterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        for (edge, under) in buckets {
            self.sample("_bucket", labels, Some(&edge), under);
        }
        self.sample("_bucket", labels, Some(&"+Inf"), count);
        self.sample("_sum", labels, None, sum);
        self.sample("_count", labels, None, count);
    }

    fn sample(
        &mut self,
        suffix: &str,
        labels: &[Label<'_>],
        edge: Option<&dyn Display>,
        value: impl Display,
    ) -> &mut Self {
        let mut inside = String::new();
        let edge = edge.map(ToString::to_string);
        let edge = edge.as_deref().map(|edge| ("le", edge));
        for (name, value) in labels.iter().copied().chain(edge) {
            let comma = if inside.is_empty() { "" } else { "," };
            let value = value.replace('\\', "\\\\");
            let value = value.replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(inside, "{comma}{name}=\"{value}\"");
        }
        let name = self.name;
        if inside.is_empty() {
            self.page.line(format_args!("{name}{suffix} {value}"));
        } else {
            self.page
                .line(format_args!("{name}{suffix}{{{inside}}} {value}"));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_says_what_it_is_and_hostile_labels_stay_inside_their_quotes() {
        let mut page = Page::default();
        page.family("box_frames_total", Kind::Counter, "Frames.\nAll \\ of them")
            .add(&[("camera", "a\"b\\c\nd"), ("n", "1")], 7u64)
            .add(&[], 8u64);
        assert_eq!(
            page.finish(),
            "# HELP box_frames_total Frames.\\nAll \\\\ of them\n\
             # TYPE box_frames_total counter\n\
             box_frames_total{camera=\"a\\\"b\\\\c\\nd\",n=\"1\"} 7\n\
             box_frames_total 8\n"
        );
    }

    #[test]
    fn a_histogram_has_its_buckets_its_sum_and_its_count() {
        let mut page = Page::default();
        let mut family = page.family("box_wait_seconds", Kind::Histogram, "Waits.");
        family.histogram(&[("camera", "0")], [(0.001, 1), (0.5, 2)], 3, 1.25);
        let text = page.finish();
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "box_wait_seconds_bucket{camera=\"0\",le=\"0.001\"} 1",
                "box_wait_seconds_bucket{camera=\"0\",le=\"0.5\"} 2",
                "box_wait_seconds_bucket{camera=\"0\",le=\"+Inf\"} 3",
                "box_wait_seconds_sum{camera=\"0\"} 1.25",
                "box_wait_seconds_count{camera=\"0\"} 3",
            ]
        );
    }
}
