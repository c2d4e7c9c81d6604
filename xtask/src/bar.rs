//! A progress bar on one line of the terminal; without a terminal, a line now and then.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const WIDTH: u64 = 40;
const BETWEEN_LINES: Duration = Duration::from_secs(2);

/// One bar, drawn again in its place.
#[derive(Debug)]
pub(crate) struct Bar {
    title: String,
    started: Instant,
    terminal: bool,
    /// Without a terminal: when a line was last written.
    written: Option<Instant>,
    line: String,
}

impl Bar {
    pub(crate) fn new(title: &str) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self {
            title: title.to_owned(),
            started: Instant::now(),
            terminal,
            written: None,
            line: String::new(),
        }
    }

    /// Shows `done` of `total`, with `note` behind it.
    pub(crate) fn show(&mut self, done: u64, total: u64, note: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.line = format!("{:<10} {}  {seconds:>6.1} s  {note}", self.title, draw(done, total));
        if self.terminal {
            // Back to the start of the line, and clear what was longer.
            print!("\r{}\x1b[K", self.line);
            let _ = std::io::stdout().flush();
        } else if self.written.is_none_or(|at| at.elapsed() > BETWEEN_LINES) {
            println!("{}", self.line);
            self.written = Some(Instant::now());
        }
    }

    /// Leaves the last state behind; how long it took.
    pub(crate) fn finish(self) -> Duration {
        println!("{}", if self.terminal { "" } else { &self.line });
        self.started.elapsed()
    }
}

/// `[#####.....]  50 % 5/10`. 100 % is shown only when all are done.
fn draw(done: u64, total: u64) -> String {
    let done = done.min(total);
    let (filled, percent) = (done * WIDTH / total.max(1), done * 100 / total.max(1));
    let bar: String = (0..WIDTH).map(|at| if at < filled { '#' } else { '.' }).collect();
    format!("[{bar}] {percent:>3} %  {done}/{total}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_only_when_all_are_done() {
        assert!(draw(0, 0).contains("  0 %"));
        assert!(draw(999, 1000).contains(" 99 %  999/1000"));
        assert!(draw(999, 1000).contains("#.]"));
        assert!(draw(1000, 1000).contains("##] 100 %"));
        assert!(draw(1001, 1000).contains("1000/1000"));
    }
}
