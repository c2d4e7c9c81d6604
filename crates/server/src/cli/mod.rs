//! The operator's commands against a running server. A file a group of commands in `commands/`; what they share stands here:
//! the [`client`], what is remembered between runs ([`settings`]), and how things are shown ([`output`]).

mod client;
mod commands;
mod context;
mod csv;
mod output;
mod prompt;
mod settings;
mod upload;
mod watch;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::commands::{
    account, backup, ca, content, deploy, deployment, device, firmware, group, ledger, product, provision,
    region, session, status, telemetry, token,
};
use self::context::ConnectArgs;
use crate::args::Failure;

/// What an operator can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in to a server, and remember it
    Login(account::LoginArgs),
    /// Forget the server, and delete the token that `login` made there
    Logout(ConnectArgs),
    /// Say who is logged in, and where
    Whoami(ConnectArgs),
    /// Products: hardware models
    Product(Group<product::Command>),
    /// Groups of devices
    Group(Group<group::Command>),
    /// Regions
    Region(Group<region::Command>),
    /// Devices, their certificates and history
    Device(Group<device::Command>),
    /// Certificate authorities: imported ones, roots, revocations
    Ca(Group<ca::Command>),
    /// Firmware: upload, list, release, withdraw
    Firmware(Group<firmware::Command>),
    /// Contents: pictures for displays
    Content(Group<content::Command>),
    /// Deploy a firmware, or contents, to devices
    Deploy(deploy::DeployArgs),
    /// Deployments: follow, pause, resume, cancel
    Deployment(Group<deployment::Command>),
    /// Mint factory identities: keys and certificates as files
    Provision(provision::ProvisionArgs),
    /// Live connections of devices
    Session(Group<session::Command>),
    /// Your tokens for programs
    Token(Group<token::Command>),
    /// Error logs of the fleet
    Logs(telemetry::LogArgs),
    /// Sales, summed
    Sales(telemetry::SalesArgs),
    /// Messages of devices that could not be understood
    DeadLetters(ledger::DeadLetterArgs),
    /// Who did what
    Audit(ledger::AuditArgs),
    /// Everything that the server keeps, in one encrypted file
    Backup(backup::BackupArgs),
    /// Whether the server works, and whether it is held after a restore
    Status(ConnectArgs),
    /// End the hold of a restored server, after a look at what it would send
    Resume(status::ResumeArgs),
}

/// A group of commands, and how to reach the server.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Group<C: Subcommand> {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: C,
}

impl Command {
    /// Carries it out.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::because("cannot start", &error))?;
        let code = runtime.block_on(Box::pin(self.carry_out()));
        // Nothing is waited for: a name look-up that hangs must not hold the answer back.
        runtime.shutdown_background();
        code
    }

    async fn carry_out(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Login(args) => account::login(args).await,
            Self::Logout(connect) => account::logout(&connect).await,
            Self::Whoami(connect) => account::whoami(&mut connect.open()?).await,
            Self::Product(group) => group.command.run(&mut group.connect.open()?).await,
            Self::Group(group) => group.command.run(&mut group.connect.open()?).await,
            Self::Region(group) => group.command.run(&mut group.connect.open()?).await,
            Self::Device(group) => group.command.run(&mut group.connect.open()?).await,
            Self::Ca(group) => group.command.run(&mut group.connect.open()?).await,
            Self::Firmware(group) => group.command.run(&mut group.connect.open()?).await,
            Self::Content(group) => group.command.run(&mut group.connect.open()?).await,
            Self::Deploy(args) => deploy::run(args).await,
            Self::Deployment(group) => group.command.run(&mut group.connect.open()?).await,
            Self::Provision(args) => provision::run(args).await,
            Self::Session(group) => group.command.run(&mut group.connect.open()?).await,
            Self::Token(group) => group.command.run(&mut group.connect.open()?).await,
            Self::Logs(args) => telemetry::fleet_logs(args).await,
            Self::Sales(args) => telemetry::fleet_sales(args).await,
            Self::DeadLetters(args) => ledger::dead_letters(&args).await,
            Self::Audit(args) => ledger::audit(&args).await,
            Self::Backup(args) => args.run().await,
            Self::Status(connect) => status::status(&connect).await,
            Self::Resume(args) => status::resume(args).await,
        }
    }
}
