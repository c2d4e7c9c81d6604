//! Questions to the person at the terminal.

use std::fs::File;
use std::io::{BufReader, Write as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::args::{Exit, Failure};

/// Asks for a secret: it is not shown. From the terminal itself, whatever standard input is.
pub(crate) fn secret(question: &str, instead: &str) -> Result<String, Failure> {
    let no_terminal =
        || Failure::usage(format!("there is no terminal to ask for the {question}: use {instead}"));
    let terminal = File::options().read(true).write(true).open("/dev/tty").map_err(|_| no_terminal())?;
    let before = tcgetattr(&terminal).map_err(|_| no_terminal())?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    let _ = write!(&terminal, "{question}: ");
    tcsetattr(&terminal, OptionalActions::Flush, &quiet).map_err(|_| no_terminal())?;
    let answer = read_line(&mut BufReader::new(&terminal));
    let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
    let _ = writeln!(&terminal);
    answer
}

/// Asks a question; the answer is shown.
pub(crate) fn line(question: &str, instead: &str) -> Result<String, Failure> {
    let no_terminal = |_| Failure::usage(format!("there is no terminal to ask on: use {instead}"));
    let terminal = File::options().read(true).write(true).open("/dev/tty").map_err(no_terminal)?;
    let _ = write!(&terminal, "{question} ");
    read_line(&mut BufReader::new(&terminal))
}

/// The next line of standard input, for scripts.
pub(crate) fn from_stdin(what: &str) -> Result<String, Failure> {
    let line = read_line(&mut std::io::stdin().lock())?;
    if line.is_empty() {
        return Err(Failure::usage(format!("standard input holds no {what}")));
    }
    Ok(line)
}

fn read_line(input: &mut dyn std::io::BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    input
        .read_line(&mut line)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot read: {error}")))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
