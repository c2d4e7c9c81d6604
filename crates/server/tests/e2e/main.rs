//! The real program seen from outside: started, killed, spoken to by foreign clients.

mod backup;
mod cancel_away;
mod contents;
mod crash;
mod durable;
mod facts;
mod foreign_mqtt;
mod harness;
mod life;
mod old_device;
mod old_fleet;
mod password;
mod registration;
mod renewal;
mod tls;
