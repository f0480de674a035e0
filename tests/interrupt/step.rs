//! Steps through code by the processor's trap flag: after each instruction there is a signal.

use std::arch::asm;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Once;

/// The trap flag, in the register of flags.
const TRAP: i64 = 0x100;

/// How far the steps have come.
struct Steps<'a> {
    /// The instruction from which on the interrupt is offered.
    first: u64,
    /// Instructions so far.
    count: u64,
    /// The instruction at which the interrupt was taken. No more steps are counted then.
    fired: Option<u64>,
    /// Says whether the interrupt was taken.
    interrupt: &'a mut dyn FnMut() -> bool,
}

thread_local! {
    /// The steps of this thread's code, while it is stepped through.
    static CURRENT: Cell<*mut Steps<'static>> = const { Cell::new(ptr::null_mut()) };
}

/// Ends the steps, after a panic too.
struct Stepping;

impl Drop for Stepping {
    fn drop(&mut self) {
        // SAFETY: clears the trap flag; the stack is as before afterwards.
        unsafe {
            asm!("pushfq", "and qword ptr [rsp], {not_trap}", "popfq", not_trap = const !TRAP);
        };
        CURRENT.set(ptr::null_mut());
    }
}

/// Runs `f` instruction by instruction; from instruction number `first` on, calls `interrupt`
/// between two instructions until it says that it was taken. It runs in the handler of a signal.
/// Gives the number of the instruction at which it was taken.
pub(crate) fn step(
    first: u64,
    interrupt: &mut dyn FnMut() -> bool,
    f: impl FnOnce(),
) -> Option<u64> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(install);
    let mut steps = Steps { first, count: 0, fired: None, interrupt };
    CURRENT.set((&raw mut steps).cast());
    let stepping = Stepping;
    // SAFETY: sets the trap flag, for which the handler is installed; the stack is as before
    // afterwards.
    unsafe { asm!("pushfq", "or qword ptr [rsp], {trap}", "popfq", trap = const TRAP) };
    f();
    drop(stepping);
    steps.fired
}

/// Installs the handler for the whole program; on threads that step through nothing it does nothing.
fn install() {
    // SAFETY: all zeroes is a legal value: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = trapped;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: the action is a legal one, and its function has the form that its flags say.
    let result = unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, ptr::null_mut()) };
    assert_eq!(result, 0, "no handler for the steps");
}

/// Comes after each instruction, with the trap flag off until it returns. A panic in it ends the
/// program: it can't be passed on.
extern "C" fn trapped(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    let steps = CURRENT.get();
    if steps.is_null() {
        return;
    }
    // SAFETY: `step` is running on this thread, below this function, and keeps the value alive; it
    // does not look at it meanwhile.
    let steps = unsafe { &mut *steps };
    steps.count += 1;
    if steps.count >= steps.first && (steps.interrupt)() {
        steps.fired = Some(steps.count);
        let context: *mut libc::ucontext_t = context.cast();
        // SAFETY: by the flags of the action this is the state to which the signal returns, which
        // nobody else looks at now.
        let context = unsafe { &mut *context };
        context.uc_mcontext.gregs[libc::REG_EFL as usize] &= !TRAP;
    }
}
