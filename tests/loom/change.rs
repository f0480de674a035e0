//! What changes when memory comes, while other CPUs allocate: routes that lead elsewhere, zonelists that
//! are made anew.

use crate::beside::Beside;
use crate::lead::Lead;
use crate::shim::{AtomicU32, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// What a CPU's lists of a zone say: which zone they are of, and the state of a frame handed out.
struct Lists {
    zone: UnsafeCell<u32>,
    handed_out: UnsafeCell<u32>,
}

/// The route of a CPU, and the lists that it can lead to.
struct Machine {
    route: Lead<Lists>,
    lists: [Lists; 2],
}

// SAFETY: loom runs one thread at a time, and watches over the cells itself.
unsafe impl Sync for Machine {}
// SAFETY: likewise; the place in the route is in the machine.
unsafe impl Send for Machine {}

impl Lists {
    fn new() -> Self {
        Self { zone: UnsafeCell::new(0), handed_out: UnsafeCell::new(0) }
    }

    fn write(&self, zone: u32) {
        // SAFETY: loom fails the test if another thread could look meanwhile.
        self.zone.with_mut(|word| unsafe { *word = zone });
        // SAFETY: likewise.
        self.handed_out.with_mut(|word| unsafe { *word = zone });
    }

    /// The zone, which a frame handed out must be of.
    fn read(&self) -> u32 {
        // SAFETY: loom fails the test if another thread could write meanwhile.
        let zone = self.zone.with(|word| unsafe { *word });
        // SAFETY: likewise.
        assert_eq!(self.handed_out.with(|word| unsafe { *word }), zone);
        zone
    }
}

impl Machine {
    /// One whose route leads to the first lists.
    fn boot() -> Arc<Self> {
        let machine = Arc::new(Self {
            route: Lead::new(std::ptr::null_mut()),
            lists: [(); 2].map(|()| Lists::new()),
        });
        machine.lists[0].write(1);
        machine.route.set(machine.place(0));
        machine
    }

    fn place(&self, lists: usize) -> *mut Lists {
        std::ptr::from_ref(&self.lists[lists]).cast_mut()
    }

    /// Memory comes to the zone of the second lists.
    fn online(&self) {
        self.lists[1].write(2);
        self.route.set(self.place(1));
    }

    /// A request: the zone that served it.
    fn request(&self) -> u32 {
        // SAFETY: the route leads to one of the lists of this machine.
        unsafe { &*self.route.get() }.read()
    }
}

/// A CPU that allocates while its route is led elsewhere is served from the one zone or the other, as whole,
/// and sees how the new lists were made; once it was served from the new one, it stays so.
#[test]
fn a_route_that_is_led_elsewhere() {
    loom::model(|| {
        let machine = Machine::boot();
        let other = Arc::clone(&machine);
        let cpu = thread::spawn(move || [(); 3].map(|()| other.request()));
        machine.online();
        let served = cpu.join().unwrap();
        assert!(served.is_sorted() && served.iter().all(|zone| [1, 2].contains(zone)));
        assert_eq!(machine.request(), 2);
    });
}

/// Two CPUs whose routes are led elsewhere one after the other.
#[test]
fn two_cpus_are_led_elsewhere() {
    loom::model(|| {
        let machines = [Machine::boot(), Machine::boot()];
        let cpus = machines.each_ref().map(|machine| {
            let machine = Arc::clone(machine);
            thread::spawn(move || [(); 2].map(|()| machine.request()))
        });
        machines.iter().for_each(|machine| machine.online());
        for cpu in cpus {
            assert!(cpu.join().unwrap().is_sorted());
        }
    });
}

/// A list of two zones, with two places.
struct List {
    places: [[AtomicU32; 2]; 2],
    beside: Beside,
}

impl List {
    fn new() -> Arc<Self> {
        let places = [(); 2].map(|()| [(); 2].map(|()| AtomicU32::new(0)));
        Arc::new(Self { places, beside: Beside::new() })
    }

    /// Makes it anew, by the only one who does.
    fn set(&self, generation: u32) {
        for zone in &self.places[self.beside.other()] {
            zone.store(generation, Ordering::Relaxed);
        }
        self.beside.turn();
    }

    fn walk(&self) -> [u32; 2] {
        let place = &self.places[self.beside.current()];
        [0, 1].map(|zone| place[zone].load(Ordering::Relaxed))
    }
}

/// Who walks over a list that is made anew sees the list before or after, each of them whole; and the latter
/// who was told that it was made anew.
#[test]
fn a_list_that_is_made_anew() {
    loom::model(|| {
        let list = List::new();
        let walker = Arc::clone(&list);
        let walker = thread::spawn(move || {
            let turns = walker.beside.turns();
            let walk = walker.walk();
            assert!(walk == [0, 0] && turns == 0 || walk == [1, 1]);
        });
        list.set(1);
        walker.join().unwrap();
        assert_eq!((list.walk(), list.beside.turns()), ([1, 1], 1));
    });
}

/// A list that is made anew twice, the second time where it was first: who walks there all the time may find
/// some zones of the one and some of the other, and never one of the list between; who begins anew after the
/// first turn has a whole list.
#[test]
fn a_list_that_is_made_anew_twice() {
    loom::model(|| {
        let list = List::new();
        let walker = Arc::clone(&list);
        let walker = thread::spawn(move || {
            let walks = [(); 2].map(|()| walker.walk());
            for walk in walks {
                assert!(walk == [1, 1] || walk.iter().all(|zone| [0, 2].contains(zone)));
            }
            if walks[0] == [1, 1] {
                assert!([[1, 1], [2, 2]].contains(&walks[1]));
            }
        });
        list.set(1);
        list.set(2);
        walker.join().unwrap();
        assert_eq!(list.walk(), [2, 2]);
    });
}
