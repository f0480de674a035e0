//! What the processors do, one thing after the other, all at once.

use crate::frames::FRAMES;
use crate::gate::Gate;
use crate::random::Random;
use crate::{cache, daemons, hit, plant, println, process, task};
use arrayvec::ArrayVec;
use core::sync::atomic::{AtomicU64, Ordering};
use page_alloc::{CpuId, Gfp, Order};

static GATE: Gate = Gate::new();

/// Order-9 blocks that all processors got.
static HUGE: AtomicU64 = AtomicU64::new(0);

/// All phases, on the running processor, one of so many. After each, when all are done with it, the
/// first one tells how it went, while the others wait.
pub(crate) fn run(cpu: CpuId, cpus: usize) {
    let then = |tell: fn()| {
        GATE.pass(cpus);
        if cpu == CpuId::BOOT {
            tell();
        }
        GATE.pass(cpus);
    };
    task::stress(cpu, cpus);
    then(after_stress);
    fill_cache(cpus);
    then(after_filling);
    HUGE.fetch_add(huge_pages(), Ordering::Relaxed);
    then(after_compaction);
    process::grow();
    then(after_killing);
}

fn after_stress() {
    task::clear_mail();
    println!("stress: {} frames free", FRAMES.nr_free_pages());
    println!("a hit pair takes {} cycles (TSC, emulated)", hit::cycles());
}

fn after_filling() {
    let (free, runs) = (FRAMES.nr_free_pages(), daemons::KSWAPD.runs());
    println!("cache: {free} frames free, kswapd ran {runs} times");
    thin_out();
    println!("thinned out:\n{}", FRAMES.buddyinfo());
}

fn after_compaction() {
    // Reclaim alone may have served those who asked, or nothing: once all that can be moved is moved.
    FRAMES.drain_all_pages(None);
    for node in FRAMES.nodes() {
        FRAMES.compact_node(node.id()).expect("a node that there is");
    }
    HUGE.fetch_add(huge_pages(), Ordering::Relaxed);
    let (huge, moved) = (HUGE.load(Ordering::Relaxed), cache::MOVED.load(Ordering::Relaxed));
    let runs = daemons::KCOMPACTD.runs();
    println!("compaction: {huge} huge pages, {moved} blocks moved, kcompactd ran {runs} times");
    assert!(huge > 0 && moved > 0, "compaction did nothing");
    // Little is left to be thrown away before somebody has to be killed.
    let mut random = Random::new(8);
    cache::evict_where(|_| random.below(16) > 0);
}

fn after_killing() {
    let (killed, free) = (process::killed(), FRAMES.nr_free_pages());
    println!("out of memory: {killed} processes killed, {free} frames free");
    assert!(killed > 0, "nobody was killed");
    process::kill();
    cache::evict_where(|_| true);
    plant::let_handlers_run();
}

/// Reads a quarter more than there is memory for; what is too much is thrown away meanwhile.
fn fill_cache(cpus: usize) {
    let all: u64 = FRAMES.zones().map(|zone| zone.managed_pages()).sum();
    let blocks = all * 5 / 4 / cache::order().nr_pages() / cpus as u64;
    for _ in 0..blocks {
        assert!(cache::read(Gfp::HIGHUSER_MOVABLE | Gfp::NOWARN), "there is memory to be had");
        daemons::run();
    }
}

/// Half of the cache goes, at random.
fn thin_out() {
    let mut random = Random::new(7);
    cache::evict_where(|_| random.below(2) == 0);
    FRAMES.drain_all_pages(None);
}

/// Asks for huge pages, for more than are free, until some had to be made; gives them back. Gives
/// their number.
fn huge_pages() -> u64 {
    let mut got: ArrayVec<_, 64> = ArrayVec::new();
    while !got.is_full() && (got.len() < 8 || cache::MOVED.load(Ordering::Relaxed) == 0) {
        let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NOWARN | Gfp::NORETRY;
        let Ok(pages) = FRAMES.alloc_pages(gfp, Order::O9) else { break };
        got.push(pages);
        daemons::run();
    }
    let number = got.len() as u64;
    got.into_iter().for_each(|pages| FRAMES.free_pages(pages).expect("an allocated block"));
    number
}
