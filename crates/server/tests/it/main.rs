//! The real binary: started, used from the command line, ended in every way.

mod configuration;
mod harness;
mod lifecycle;
mod operator;
