//! Which cameras run, as devices come and go, and where the test camera lives. Pure.
//!
//! The law: a number belongs to a device from the moment it is first seen under it until another device takes its
//! place. A new device on `/dev/videoN` is `cameraN`. A device that goes leaves its camera waiting (viewers see the
//! slate); the same device (driver, bus, card, and which of its nodes) resumes it, under whatever node it comes back.
//! A different device on `/dev/videoN` replaces a `cameraN` that waits. If `cameraN` lives on another node, a new
//! device on `/dev/videoN` gets the lowest free number from 256 on, which no node can have.
//!
//! The test camera is `camera0` while no device was ever called so; when one is, the test camera is `camera1000` and
//! stays there until the service starts again, so that a viewer's address does not change twice.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::camera::CameraId;
use crate::camera::change::Identity;

/// The kernel numbers video nodes 0…255.
pub(super) const NODES: u16 = 256;

/// What to do, in order. `node` is N of `/dev/videoN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Start the test camera under this id.
    StartTest(CameraId),
    /// Start the device at `node` as camera `id`.
    StartDevice {
        /// The camera.
        id: CameraId,
        /// Where the device is.
        node: CameraId,
    },
    /// Its device went: the pipeline lives on and waits.
    Gone(CameraId),
    /// The device of the waiting camera `id` is back, at `node`.
    Back {
        /// The camera.
        id: CameraId,
        /// Where the device is now.
        node: CameraId,
    },
    /// Stop it and forget that it was ever called so.
    Forget(CameraId),
}

/// A camera that a device was seen as.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    identity: Identity,
    /// Where it is; `None` while it waits.
    node: Option<CameraId>,
}

/// Who is there.
#[derive(Debug)]
pub struct Roster {
    test: Option<CameraId>,
    places: BTreeMap<CameraId, Place>,
}

impl Roster {
    /// The first orders, for the devices found at start: each node's number once.
    #[must_use]
    pub fn start(test: bool, found: &[(CameraId, Identity)]) -> (Self, Vec<Order>) {
        let taken = found.iter().any(|(node, _)| *node == CameraId::TEST);
        let test = test.then_some(if taken {
            CameraId::TEST_ASIDE
        } else {
            CameraId::TEST
        });
        let mut roster = Self {
            test,
            places: BTreeMap::new(),
        };
        let mut orders: Vec<Order> = test.map(Order::StartTest).into_iter().collect();
        for (node, identity) in found {
            orders.extend(roster.added(*node, identity));
        }
        (roster, orders)
    }

    /// A device appeared at `node`, perhaps again.
    pub fn added(&mut self, node: CameraId, identity: &Identity) -> Vec<Order> {
        // What was there before has gone unheard.
        let mut orders = self.removed(node);
        if let Some(id) = self.waiting(node, identity) {
            self.put(id, node, identity);
            orders.push(Order::Back { id, node });
            return orders;
        }
        let id = self.number_for(node);
        if self.test == Some(id) {
            self.test = Some(CameraId::TEST_ASIDE);
            orders.push(Order::Forget(id));
            orders.push(Order::StartTest(CameraId::TEST_ASIDE));
        }
        if self.places.contains_key(&id) {
            orders.push(Order::Forget(id));
        }
        self.put(id, node, identity);
        orders.push(Order::StartDevice { id, node });
        orders
    }

    /// The test camera is wanted from now on, or no longer.
    pub fn test(&mut self, on: bool) -> Vec<Order> {
        match (on, self.test) {
            (true, None) => {
                let id = if self.places.contains_key(&CameraId::TEST) {
                    CameraId::TEST_ASIDE
                } else {
                    CameraId::TEST
                };
                self.test = Some(id);
                vec![Order::StartTest(id)]
            }
            (false, Some(id)) => {
                self.test = None;
                vec![Order::Forget(id)]
            }
            _ => Vec::new(),
        }
    }

    /// The device at `node` went.
    pub fn removed(&mut self, node: CameraId) -> Vec<Order> {
        let mut orders = Vec::new();
        for (id, place) in &mut self.places {
            if place.node == Some(node) {
                place.node = None;
                orders.push(Order::Gone(*id));
            }
        }
        orders
    }

    /// The nodes in use now, for comparing with a fresh look.
    #[must_use]
    pub fn nodes(&self) -> BTreeSet<CameraId> {
        self.places
            .values()
            .filter_map(|place| place.node)
            .collect()
    }

    /// Where a camera's device is now; `None` for one that waits, and for the test camera.
    #[must_use]
    pub fn node_of(&self, id: CameraId) -> Option<CameraId> {
        self.places.get(&id)?.node
    }

    fn put(&mut self, id: CameraId, node: CameraId, identity: &Identity) {
        let place = Place {
            identity: identity.clone(),
            node: Some(node),
        };
        self.places.insert(id, place);
    }

    /// The camera that waits for this device. Of several that cannot be told apart: the one of this number, or
    /// the lowest.
    fn waiting(&self, node: CameraId, identity: &Identity) -> Option<CameraId> {
        let waits = |place: &Place| place.node.is_none() && place.identity == *identity;
        if self.places.get(&node).is_some_and(waits) {
            return Some(node);
        }
        self.places
            .iter()
            .find_map(|(id, place)| waits(place).then_some(*id))
    }

    /// The number of a device never seen, or seen too long ago.
    fn number_for(&self, node: CameraId) -> CameraId {
        let lives = |id: CameraId| self.node_of(id).is_some();
        if !lives(node) {
            return node;
        }
        let aside = || (NODES..CameraId::TEST_ASIDE.number()).filter_map(CameraId::new);
        aside()
            .find(|id| !self.places.contains_key(id))
            // All taken: one that waits is given up. There are more of them than nodes, so one does.
            .or_else(|| aside().find(|id| !lives(*id)))
            .unwrap_or(node)
    }
}
