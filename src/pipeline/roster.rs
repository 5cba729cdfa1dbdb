//! Which cameras run, as devices come and go, and where the test camera lives. Pure.
//!
//! The number belongs to the node: `/dev/videoN` is always `cameraN`, as existing clients expect.
//! The test camera is `camera0` while no `/dev/video0` is known; when one is, the test camera is
//! `camera1000`, a number no node can have, and stays there until the service starts again, so
//! that a viewer's address does not change twice.

use std::collections::BTreeSet;

use crate::camera::CameraId;

/// What to do, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Start the test camera under this id.
    StartTest(CameraId),
    /// Start (or start again) the device with this id.
    StartDevice(CameraId),
    /// Stop it; it stays known as disconnected.
    Stop(CameraId),
    /// Stop it and forget that it was ever called so.
    Forget(CameraId),
}

/// Who is there.
#[derive(Debug)]
pub struct Roster {
    test: Option<CameraId>,
    devices: BTreeSet<CameraId>,
}

impl Roster {
    /// The first orders, for the devices found at start.
    #[must_use]
    pub fn start(test: bool, found: &[CameraId]) -> (Self, Vec<Order>) {
        let taken = found.contains(&CameraId::TEST);
        let test = test.then_some(if taken {
            CameraId::TEST_ASIDE
        } else {
            CameraId::TEST
        });
        let roster = Self {
            test,
            devices: found.iter().copied().collect(),
        };
        let orders = test
            .map(Order::StartTest)
            .into_iter()
            .chain(roster.devices.iter().copied().map(Order::StartDevice))
            .collect();
        (roster, orders)
    }

    /// A device appeared, perhaps again.
    pub fn added(&mut self, id: CameraId) -> Vec<Order> {
        let mut orders = Vec::new();
        if self.test == Some(id) {
            self.test = Some(CameraId::TEST_ASIDE);
            orders.push(Order::Forget(id));
            orders.push(Order::StartTest(CameraId::TEST_ASIDE));
        }
        if !self.devices.insert(id) {
            orders.push(Order::Stop(id));
        }
        orders.push(Order::StartDevice(id));
        orders
    }

    /// A device went.
    pub fn removed(&mut self, id: CameraId) -> Vec<Order> {
        if self.devices.remove(&id) {
            vec![Order::Stop(id)]
        } else {
            Vec::new()
        }
    }

    /// The devices running now, for comparing with a fresh look.
    #[must_use]
    pub const fn devices(&self) -> &BTreeSet<CameraId> {
        &self.devices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(n: u16) -> CameraId {
        CameraId::new(n).unwrap()
    }

    #[test]
    fn without_devices_the_test_camera_is_camera0() {
        let (_, orders) = Roster::start(true, &[]);
        assert_eq!(orders, [Order::StartTest(camera(0))]);
    }

    #[test]
    fn a_real_video0_keeps_its_number_and_the_test_camera_stands_aside() {
        let (_, orders) = Roster::start(true, &[camera(0), camera(2)]);
        assert_eq!(
            orders,
            [
                Order::StartTest(camera(1000)),
                Order::StartDevice(camera(0)),
                Order::StartDevice(camera(2))
            ]
        );
    }

    #[test]
    fn a_video0_plugged_in_later_moves_the_test_camera_once() {
        let (mut roster, _) = Roster::start(true, &[]);
        assert_eq!(
            roster.added(camera(0)),
            [
                Order::Forget(camera(0)),
                Order::StartTest(camera(1000)),
                Order::StartDevice(camera(0))
            ]
        );
        assert_eq!(roster.removed(camera(0)), [Order::Stop(camera(0))]);
        assert_eq!(roster.added(camera(0)), [Order::StartDevice(camera(0))]);
    }

    #[test]
    fn an_add_without_a_remove_starts_the_device_afresh() {
        let (mut roster, _) = Roster::start(false, &[camera(1)]);
        assert_eq!(
            roster.added(camera(1)),
            [Order::Stop(camera(1)), Order::StartDevice(camera(1))]
        );
        assert_eq!(roster.removed(camera(7)), []);
    }
}
