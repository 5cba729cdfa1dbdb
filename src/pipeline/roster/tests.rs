use super::*;
use proptest::prelude::*;

fn camera(n: u16) -> CameraId {
    CameraId::new(n).unwrap()
}

fn device(name: &str) -> Identity {
    Identity {
        driver: "uvcvideo".into(),
        bus: format!("usb-0000:00:14.0-{name}"),
        card: "Webcam".into(),
        index: 0,
    }
}

fn start(id: u16, node: u16) -> Order {
    Order::StartDevice {
        id: camera(id),
        node: camera(node),
    }
}

fn back(id: u16, node: u16) -> Order {
    Order::Back {
        id: camera(id),
        node: camera(node),
    }
}

#[test]
fn the_test_camera_is_switched_on_and_off_beside_devices_and_takes_nobodys_number() {
    let webcam = Identity {
        driver: "uvcvideo".to_owned(),
        bus: "usb-1".to_owned(),
        card: "Desk camera".to_owned(),
        index: 0,
    };
    let (mut alone, _) = Roster::start(false, &[]);
    assert_eq!(alone.test(true), [Order::StartTest(CameraId::TEST)]);
    assert_eq!(alone.test(true), [], "it is on already");
    assert_eq!(alone.test(false), [Order::Forget(CameraId::TEST)]);
    let (mut beside, _) = Roster::start(false, &[(CameraId::TEST, webcam)]);
    beside.removed(CameraId::TEST);
    // The webcam's viewers wait for it at camera0.
    assert_eq!(beside.test(true), [Order::StartTest(CameraId::TEST_ASIDE)]);
}

#[test]
fn without_devices_the_test_camera_is_camera0() {
    let (_, orders) = Roster::start(true, &[]);
    assert_eq!(orders, [Order::StartTest(camera(0))]);
}

#[test]
fn a_real_video0_keeps_its_number_and_the_test_camera_stands_aside() {
    let found = [(camera(0), device("a")), (camera(2), device("b"))];
    let (_, orders) = Roster::start(true, &found);
    assert_eq!(
        orders,
        [Order::StartTest(camera(1000)), start(0, 0), start(2, 2)]
    );
}

#[test]
fn a_video0_plugged_in_later_moves_the_test_camera_once() {
    let (mut roster, _) = Roster::start(true, &[]);
    assert_eq!(
        roster.added(camera(0), &device("a")),
        [
            Order::Forget(camera(0)),
            Order::StartTest(camera(1000)),
            start(0, 0)
        ]
    );
    assert_eq!(roster.removed(camera(0)), [Order::Gone(camera(0))]);
    assert_eq!(roster.added(camera(0), &device("a")), [back(0, 0)]);
}

#[test]
fn a_device_that_comes_back_under_another_node_resumes_its_camera() {
    let (mut roster, _) = Roster::start(false, &[(camera(0), device("a"))]);
    assert_eq!(roster.removed(camera(0)), [Order::Gone(camera(0))]);
    assert_eq!(roster.added(camera(1), &device("a")), [back(0, 1)]);
    assert_eq!(roster.node_of(camera(0)), Some(camera(1)));
    assert_eq!(roster.removed(camera(1)), [Order::Gone(camera(0))]);
}

#[test]
fn another_device_on_the_number_of_a_waiting_camera_replaces_it() {
    let (mut roster, _) = Roster::start(false, &[(camera(0), device("a"))]);
    roster.removed(camera(0));
    assert_eq!(
        roster.added(camera(0), &device("b")),
        [Order::Forget(camera(0)), start(0, 0)]
    );
    assert_eq!(
        roster.added(camera(1), &device("a")),
        [start(1, 1)],
        "its old number is taken"
    );
}

#[test]
fn two_devices_that_swap_their_nodes_keep_their_numbers() {
    let found = [(camera(0), device("a")), (camera(1), device("b"))];
    let (mut roster, _) = Roster::start(false, &found);
    roster.removed(camera(0));
    roster.removed(camera(1));
    assert_eq!(roster.added(camera(0), &device("b")), [back(1, 0)]);
    assert_eq!(roster.added(camera(1), &device("a")), [back(0, 1)]);
}

#[test]
fn a_new_device_on_the_number_of_a_camera_that_moved_gets_one_no_node_has() {
    let (mut roster, _) = Roster::start(false, &[(camera(0), device("a"))]);
    roster.removed(camera(0));
    roster.added(camera(1), &device("a"));
    assert_eq!(roster.added(camera(0), &device("b")), [start(256, 0)]);
}

#[test]
fn nodes_of_one_device_are_told_apart_by_their_index() {
    let second = Identity {
        index: 2,
        ..device("a")
    };
    let found = [(camera(0), device("a")), (camera(2), second.clone())];
    let (mut roster, _) = Roster::start(false, &found);
    roster.removed(camera(0));
    roster.removed(camera(2));
    assert_eq!(roster.added(camera(5), &second), [back(2, 5)]);
    assert_eq!(roster.added(camera(4), &device("a")), [back(0, 4)]);
}

#[test]
fn an_add_without_a_remove_is_a_device_that_went_and_came() {
    let (mut roster, _) = Roster::start(false, &[(camera(1), device("a"))]);
    assert_eq!(
        roster.added(camera(1), &device("a")),
        [Order::Gone(camera(1)), back(1, 1)]
    );
    assert_eq!(roster.removed(camera(7)), []);
}

/// What the shell would hold after carrying out the orders.
#[derive(Default)]
struct Shell {
    running: BTreeMap<CameraId, Option<CameraId>>,
    test: Option<CameraId>,
    ever_zero: bool,
}

impl Shell {
    fn obey(&mut self, orders: &[Order]) {
        for order in orders {
            match *order {
                Order::StartTest(id) => {
                    assert!(!self.running.contains_key(&id), "{id} is taken");
                    assert_eq!(self.test, None, "one test camera");
                    self.test = Some(id);
                }
                Order::StartDevice { id, node } => {
                    assert!(!self.running.contains_key(&id), "{id} runs already");
                    assert_ne!(self.test, Some(id));
                    self.ever_zero |= id == CameraId::TEST;
                    self.running.insert(id, Some(node));
                }
                Order::Gone(id) => {
                    let place = self.running.get_mut(&id).expect("it runs");
                    assert!(place.take().is_some(), "{id} was there");
                }
                Order::Back { id, node } => {
                    let place = self.running.get_mut(&id).expect("it waits");
                    assert_eq!(place.replace(node), None, "{id} waited");
                }
                Order::Forget(id) => {
                    if self.test == Some(id) {
                        self.test = None;
                    } else {
                        assert_eq!(self.running.remove(&id), Some(None), "{id} waited");
                    }
                }
            }
        }
    }
}

proptest! {
    /// Devices come and go anywhere: a device is one camera, a node is one camera, and every order fits.
    #[test]
    fn a_node_has_one_camera_and_a_camera_one_node(
        test in any::<bool>(),
        at_start in prop::collection::btree_map(0_u16..4, 0_usize..6, 0..4),
        steps in prop::collection::vec((any::<bool>(), 0_u16..4, 0_usize..6), 0..80),
    ) {
        let devices: Vec<Identity> =
            ["a", "b", "c", "d", "e", "e"].map(device).into();
        let found: Vec<_> = at_start.iter().map(|(n, d)| (camera(*n), devices[*d].clone())).collect();
        let (mut roster, orders) = Roster::start(test, &found);
        let mut shell = Shell::default();
        shell.obey(&orders);
        let mut there: BTreeMap<CameraId, Identity> = found.into_iter().collect();
        for (comes, node, which) in steps {
            let node = camera(node);
            let orders = if comes {
                there.insert(node, devices[which].clone());
                roster.added(node, &devices[which])
            } else {
                there.remove(&node);
                roster.removed(node)
            };
            shell.obey(&orders);
            let lives: Vec<CameraId> = shell.running.values().copied().flatten().collect();
            let nodes: BTreeSet<CameraId> = lives.iter().copied().collect();
            prop_assert_eq!(lives.len(), nodes.len(), "two cameras on one node");
            prop_assert_eq!(&nodes, &there.keys().copied().collect());
            prop_assert_eq!(&roster.nodes(), &nodes);
            for (id, node) in &shell.running {
                prop_assert_eq!(roster.node_of(*id), *node);
            }
            // The test camera is camera0 until a device is called so, then camera1000 for good.
            let home = if shell.ever_zero { CameraId::TEST_ASIDE } else { CameraId::TEST };
            prop_assert_eq!(shell.test, test.then_some(home));
        }
    }

    /// A device that is unplugged and plugged in anywhere else keeps its camera while nothing else came.
    #[test]
    fn a_device_keeps_its_camera_wherever_it_comes_back(
        nodes in prop::collection::vec(0_u16..256, 1..20),
    ) {
        let (mut roster, _) = Roster::start(true, &[(camera(3), device("a"))]);
        let mut node = camera(3);
        for next in nodes {
            prop_assert_eq!(roster.removed(node), [Order::Gone(camera(3))]);
            node = camera(next);
            let returned = [Order::Back { id: camera(3), node }];
            prop_assert_eq!(roster.added(node, &device("a")), returned);
        }
    }
}
