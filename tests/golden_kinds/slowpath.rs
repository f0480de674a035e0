//! Recordings of whole requests, with the slow path: `slowpath-*`.
//!
//! Every request is made on a machine of its own, brought to its state from boot. Its steps must be
//! those recorded, one for one, and so must its result and the memory afterwards. Where a recording
//! and the crate speak of steps differently:
//!
//! | recorded | here |
//! |---|---|
//! | `warn_on` | left out: a warning of Linux about a call that is wrong in itself |
//! | `try` with `pref=-` as the first step | not made: there is no zone to try |
//! | `try`, `unreserve`, `drain`, `defer_reset` | `Trace::alloc_step` |
//! | `wake` inside an attempt, and outside | `Reclaim::wake_kswapd`, without and with flags |
//! | `maskok` | `Reclaim::cpuset_meets` |
//! | `resched`, `sleep 1`, `warn` | `Reclaim::cond_resched`, `sleep_tick`, `alloc_failed` |
//! | all others | the hook of `Reclaim` that has the name |

use crate::recording::{Line, lines};
use crate::sim_machine::{node_id, order_of};
use crate::slowpath_branches;
use crate::slowpath_case::Case;
use crate::slowpath_machine::{Booted, Header};
use page_alloc::{AllocError, Pages};
use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Replays a recording; gives the number of requests.
pub fn run(_name: &str, text: &str) -> Result<u64, String> {
    let mut lines = lines(text).peekable();
    let header = Header::read(&mut lines)?;
    let mut pre = Vec::new();
    let (mut equal, mut differ, mut first) = (0, 0, None);
    while let Some(line) = lines.next() {
        match line.words()[..] {
            ["state", name] => pre = state(&header, name, &mut lines)?,
            ["case", name] => match case(&header, &pre, &mut lines) {
                Ok(()) => equal += 1,
                Err(mismatch) => {
                    differ += 1;
                    first.get_or_insert(format!("request {name}, {mismatch}"));
                }
            },
            _ if differ > 0 => {} // the rest of a request that differed
            _ => return Err(line.error("neither a state nor a request")),
        }
    }
    match first {
        None => Ok(equal),
        Some(first) => Err(format!("{differ} of {} requests differ; {first}", equal + differ)),
    }
}

type Lines<'a, I> = Peekable<I>;

fn starting<'a, I: Iterator<Item = Line<'a>>>(
    lines: &mut Lines<'a, I>,
    start: &str,
) -> Vec<Line<'a>> {
    std::iter::from_fn(|| lines.next_if(|line| line.text.starts_with(start))).collect()
}

/// Reads a state, and compares it with what comes of the lines that lead to it, which it gives.
fn state<'a, I: Iterator<Item = Line<'a>>>(
    header: &Header,
    name: &str,
    lines: &mut Lines<'a, I>,
) -> Result<Vec<Line<'a>>, String> {
    let pre = starting(lines, "pre ");
    let machine = header.boot(Case::default(), &pre)?;
    for (zone, state) in machine.states() {
        let dump = state.dump(name);
        for found in std::iter::once(format!("Z {zone}")).chain(dump) {
            lines.next().ok_or("the dump ends early")?.expect(&found)?;
        }
    }
    let line = lines.next().ok_or("the dump ends early")?;
    line.expect(&format!("digest {}", machine.digest()))?;
    Ok(pre)
}

/// Makes a request, and compares all its steps.
fn case<'a, I: Iterator<Item = Line<'a>>>(
    header: &Header,
    pre: &[Line<'_>],
    lines: &mut Lines<'a, I>,
) -> Result<(), String> {
    let mut case = Case::default();
    for line in starting(lines, "in ") {
        case.read(line)?;
    }
    let mut expected = starting(lines, "s ");
    let end = lines.next().ok_or("the request has no end")?;
    expected.retain(|line| !line.text.ends_with("warn_on"));
    if expected.first().is_some_and(|line| line.text.contains(" pref=- ")) {
        expected.remove(0);
    }
    let asked = case.clone();
    let machine = header.boot(case, pre)?;
    let result = request(&machine, &asked);
    let found = std::mem::take(&mut machine.kernel().log.borrow_mut().steps);
    slowpath_branches::see(&asked, &found, matches!(result, Some(Ok(_))));
    for (line, found) in expected.iter().zip(&found) {
        line.expect(found)?;
    }
    match (expected.get(found.len()), found.get(expected.len())) {
        (Some(line), _) => return Err(line.error("the request ended before")),
        (_, Some(step)) => return Err(end.error(&format!("found: {step}"))),
        (None, None) => {}
    }
    machine.machine.verify().map_err(|violation| end.error(&violation.to_string()))?;
    end.expect(&outcome(&machine, &result))
}

/// Makes the request. `None`: it must not fail, and ends in the panic that is documented.
fn request(machine: &Booted<'_>, case: &Case) -> Option<Result<Pages, AllocError>> {
    let kernel = machine.kernel();
    kernel.log.borrow_mut().clear();
    kernel.asked.set(true);
    let (order, node) = (order_of(case.order), node_id(case.node));
    let call = || machine.machine.alloc_pages_nodemask(case.gfp, order, node, case.mask);
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Some(result),
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map_or("", String::as_str);
            let documented = format!("NOFAIL request of order {order}: no memory left");
            if message != documented {
                resume_unwind(panic);
            }
            None
        }
    }
}

/// The line that a request ends with.
fn outcome(machine: &Booted<'_>, result: &Option<Result<Pages, AllocError>>) -> String {
    let found = match result {
        Some(Ok(pages)) => {
            let pfmemalloc = machine.machine.page_is_pfmemalloc(pages).expect("a block");
            let frame = machine.kernel().log.borrow().frame(pages.pfn().get());
            format!("{frame} pfmemalloc={}", u8::from(pfmemalloc))
        }
        Some(Err(AllocError::OutOfMemory { .. } | AllocError::NoZone)) => "-".into(),
        Some(Err(other)) => other.to_string(),
        None => "stuck".into(),
    };
    format!("out {found} | {}", machine.digest())
}
