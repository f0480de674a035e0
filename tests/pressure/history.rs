//! Whole histories: all that is to be seen happens, the same for the same seed, and nothing is lost.

use crate::gauge::{Crossings, LEGEND};
use crate::options::Options;
use crate::simulation::Simulation;
use crate::tally::Task;
use page_alloc::ZoneType;

fn run(seed: u64, fail_chance: f64) -> Simulation {
    let simulation = Simulation::run(&Options { mib: 192, steps: 600, seed, fail_chance });
    simulation.unwrap_or_else(|error| panic!("{error}"))
}

fn crossings(simulation: &Simulation, zone: ZoneType) -> Vec<Crossings> {
    let all = simulation.stretches.iter().flat_map(|stretch| &stretch.crossings);
    all.filter(|(of, _)| *of == zone).map(|(_, crossings)| *crossings).collect()
}

/// All watermarks are crossed both ways, threads and processes free and move frames, large blocks
/// are had, somebody is killed; and in the end all is whole.
#[test]
fn everything_happens() {
    let simulation = run(1, 0.0);
    assert_eq!(simulation.fault, None);
    let normal = crossings(&simulation, ZoneType::Normal);
    for level in 0..3 {
        assert!(normal.iter().any(|it| it.down[level] > 0), "nothing fell below {level}");
        assert!(normal.iter().any(|it| it.up[level] > 0), "nothing rose above {level}");
    }
    let total = simulation.total();
    for task in [Task::Process, Task::Kswapd] {
        assert!(total.work(task).rounds > 0 && total.work(task).freed > 0, "{task:?}");
        assert!(total.work(task).scanned >= total.work(task).freed, "{task:?}");
    }
    for task in [Task::Process, Task::Kcompactd] {
        assert!(total.work(task).rounds > 0 && total.work(task).moved > 0, "{task:?}");
    }
    assert!(total.kswapd_wakes > 0 && total.direct_compactions > 0);
    assert!(total.asked[9] > total.failed[9], "huge pages are had");
    assert!(!total.kills.is_empty() && total.injected == 0);
    let text = simulation.to_string();
    for part in ["kswapd", "kcompactd", "stalls", "OOM", "order 9", "low", LEGEND, "DMA32: "] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("injected"));
}

/// A sparkline has a bar for each stretch of steps, and the zones' lines are as long as each other.
#[test]
fn sparklines_are_complete() {
    let simulation = run(2, 0.0);
    for gauge in &simulation.gauges {
        assert_eq!(gauge.sparkline(1).chars().count(), 600);
        assert_eq!(gauge.sparkline(7).chars().count(), 86);
        assert!(gauge.sparkline(600).chars().eq(gauge.sparkline(1).chars().min()));
    }
}

/// The same seed gives the same history to the letter, with faults too; another one another.
#[test]
fn a_seed_is_a_history() {
    let texts = [(3, 0.0), (3, 0.0), (4, 0.0), (3, 0.01), (3, 0.01)];
    let [a, again, other, faulty, as_faulty] =
        texts.map(|(seed, chance)| run(seed, chance).to_string());
    assert_eq!(a, again);
    assert_eq!(faulty, as_faulty);
    assert!(a != other && a != faulty);
}

/// One request in twenty is refused, and nothing is lost for it.
#[test]
fn refused_requests_leave_everything_whole() {
    let simulation = run(5, 0.05);
    assert_eq!(simulation.fault, None);
    let total = simulation.total();
    let asked: u64 = total.asked.iter().sum();
    let failed: u64 = total.failed.iter().sum();
    assert!(total.injected * 25 > asked, "{} of {asked}", total.injected);
    assert!(failed * 25 > asked && failed * 10 < asked, "{failed} of {asked}");
    assert!(simulation.to_string().contains("injected"));
}

/// Where every request is refused, nobody has anything, and the machine stands.
#[test]
fn all_requests_may_be_refused() {
    let simulation = run(6, 1.0);
    assert_eq!(simulation.fault, None);
    let total = simulation.total();
    assert!(total.injected > 0 && total.asked == total.failed);
}
