//! Who wants which events. One [`Subscriptions`] a client, which leaves when it is dropped, and one
//! [`Registry`] that counts them all: nothing of a client outlives it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::subject::{COUNT, Subject};
use super::{Event, Topic};

/// What an event must be like beside its topic; everything that is set must match exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    /// The camera or stream it concerns.
    pub device: Option<String>,
    /// The status it carries.
    pub status: Option<String>,
}

impl Filters {
    /// The keys a client may set.
    pub const KEYS: [&str; 2] = ["device", "status"];

    fn match_event(&self, event: &Event) -> bool {
        let fits = |wanted: &Option<String>, has: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| has == Some(wanted))
        };
        fits(&self.device, event.device.as_deref()) && fits(&self.status, event.status())
    }
}

/// How many want what, over all clients.
#[derive(Debug)]
pub struct Registry {
    wanted: [AtomicUsize; COUNT],
    clients: AtomicUsize,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            wanted: std::array::from_fn(|_| AtomicUsize::new(0)),
            clients: AtomicUsize::new(0),
        }
    }
}

impl Registry {
    /// Whether anybody wants this topic; an event nobody wants need not wake anybody.
    #[must_use]
    pub fn wants(&self, topic: Topic) -> bool {
        self.wanted[Subject::from(topic).index()].load(Relaxed) > 0
    }

    /// Clients with at least one subscription.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.load(Relaxed)
    }

    /// The subjects somebody wants, and how many do.
    pub fn counts(&self) -> impl Iterator<Item = (Subject, usize)> {
        Subject::all()
            .map(|subject| (subject, self.wanted[subject.index()].load(Relaxed)))
            .filter(|(_, count)| *count > 0)
    }
}

/// What one client wants.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// In order. A client wants few: a tree's first node would be six times as large.
    wanted: Vec<(Subject, Filters)>,
    registry: Option<Arc<Registry>>,
}

impl Subscriptions {
    /// Adds subjects. `filters` holds for these, and replaces what held for them before.
    pub fn add(
        &mut self,
        registry: &Arc<Registry>,
        subjects: impl IntoIterator<Item = Subject>,
        filters: &Filters,
    ) {
        let before = self.wanted.len();
        for subject in subjects {
            match self.place(subject) {
                Ok(at) => self.wanted[at].1.clone_from(filters),
                Err(at) => {
                    self.wanted.reserve_exact(1);
                    self.wanted.insert(at, (subject, filters.clone()));
                    registry.wanted[subject.index()].fetch_add(1, Relaxed);
                }
            }
        }
        if before == 0 && !self.wanted.is_empty() {
            registry.clients.fetch_add(1, Relaxed);
        }
        self.registry.get_or_insert_with(|| Arc::clone(registry));
    }

    /// Removes subjects; those not subscribed to are passed over.
    pub fn remove(&mut self, subjects: impl IntoIterator<Item = Subject>) {
        let Some(registry) = &self.registry else {
            return;
        };
        let before = self.wanted.len();
        for subject in subjects {
            if let Ok(at) = self.place(subject) {
                self.wanted.remove(at);
                registry.wanted[subject.index()].fetch_sub(1, Relaxed);
            }
        }
        if before > 0 && self.wanted.is_empty() {
            registry.clients.fetch_sub(1, Relaxed);
        }
    }

    /// Everything subscribed to.
    #[must_use]
    pub fn subjects(&self) -> Vec<Subject> {
        self.wanted.iter().map(|(subject, _)| *subject).collect()
    }

    /// Whether this client wants the event.
    #[must_use]
    pub fn want(&self, event: &Event) -> bool {
        self.place(event.topic.into())
            .is_ok_and(|at| self.wanted[at].1.match_event(event))
    }

    /// Where a subject stands, or would.
    fn place(&self, subject: Subject) -> Result<usize, usize> {
        self.wanted.binary_search_by_key(&subject, |(s, _)| *s)
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.remove(self.subjects());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use proptest::prelude::*;

    fn event(topic: Topic) -> Event {
        Event::new(topic, Wall::from_secs(1))
    }

    #[test]
    fn only_what_was_subscribed_to_and_passes_the_filters_is_wanted() {
        let registry = Arc::default();
        let mut mine = Subscriptions::default();
        let filters = Filters {
            device: Some("camera0".to_owned()),
            status: Some("ERROR".to_owned()),
        };
        mine.add(
            &registry,
            [Topic::CameraStatusChange.into(), Topic::SystemHealth.into()],
            &filters,
        );
        let change = |device: &str, status: &str| {
            event(Topic::CameraStatusChange)
                .of(device)
                .with("status", status)
        };
        assert!(mine.want(&change("camera0", "ERROR")));
        assert!(!mine.want(&change("camera1", "ERROR")));
        assert!(!mine.want(&change("camera0", "CONNECTED")));
        assert!(!mine.want(&event(Topic::CameraConnected).of("camera0")));
        // An event without a device is of no device.
        assert!(!mine.want(&event(Topic::SystemHealth).with("status", "ERROR")));
        mine.add(&registry, [Topic::SystemHealth.into()], &Filters::default());
        assert!(mine.want(&event(Topic::SystemHealth)));
        assert!(
            !mine.want(&change("camera1", "ERROR")),
            "the other keeps its own"
        );
    }

    #[test]
    fn a_recording_has_a_status_to_filter_by_even_where_the_event_names_none() {
        let mut mine = Subscriptions::default();
        let filters = Filters {
            status: Some("STARTED".to_owned()),
            ..Filters::default()
        };
        mine.add(&Arc::default(), [Topic::RecordingStart.into()], &filters);
        assert!(mine.want(&event(Topic::RecordingStart)));
    }

    proptest! {
        #[test]
        fn the_counts_are_always_those_of_the_clients_that_live(
            steps in proptest::collection::vec((0..5usize, 0..4u8, proptest::collection::vec(0..COUNT, 0..6)), 0..60)
        ) {
            let registry = Arc::<Registry>::default();
            let mut clients: Vec<Subscriptions> = (0..5).map(|_| Subscriptions::default()).collect();
            for (who, what, which) in steps {
                let subjects: Vec<Subject> = which.iter().filter_map(|i| Subject::all().nth(*i)).collect();
                match what {
                    0 | 1 => clients[who].add(&registry, subjects, &Filters::default()),
                    2 => clients[who].remove(subjects),
                    _ => clients[who] = Subscriptions::default(),
                }
                let live = clients.iter().filter(|c| !c.subjects().is_empty()).count();
                prop_assert_eq!(registry.clients(), live);
                for subject in Subject::all() {
                    let truth = clients.iter().filter(|c| c.place(subject).is_ok()).count();
                    let told = registry.counts().find(|(s, _)| *s == subject).map_or(0, |(_, n)| n);
                    prop_assert_eq!(told, truth);
                }
            }
            drop(clients);
            prop_assert_eq!(registry.clients() + registry.counts().count(), 0);
        }
    }
}
