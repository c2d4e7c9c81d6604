//! The real program seen from outside: started, killed, spoken to by foreign clients.

mod cancel_away;
mod crash;
mod durable;
mod foreign_mqtt;
mod harness;
mod life;
mod old_device;
mod tls;
