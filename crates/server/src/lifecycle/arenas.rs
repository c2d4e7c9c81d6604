//! The allocator's arenas.
//!
//! glibc gives every few threads a heap of their own, up to eight a core, and each keeps what was freed in it. A server with
//! thousands of short-lived buffers on a handful of threads then holds several times the memory that it uses. Two arenas are as fast
//! here (measured, see `docs/benchmarks.md`). The number is read only at the start of a process, from its environment: so the
//! process starts itself again with it, once, before anything else is done. Elsewhere than on glibc this changes nothing.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

const VARIABLE: &str = "MALLOC_ARENA_MAX";
const ARENAS: &str = "2";

/// Returns when the number of arenas is set, by us or by the operator (who may have reasons); otherwise the process becomes itself
/// anew. Where that is not possible it goes on as it is: it costs memory, nothing else.
pub(crate) fn limit() {
    if !cfg!(target_env = "gnu") || env::var_os(VARIABLE).is_some() || env::var_os("GLIBC_TUNABLES").is_some()
    {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // It returns only if it could not be done.
    let _ = again.args(arguments).env(VARIABLE, ARENAS).exec();
}
