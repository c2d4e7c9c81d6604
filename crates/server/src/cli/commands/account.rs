//! `login`, `logout`, `whoami`.

use std::path::PathBuf;
use std::process::ExitCode;

use argosy_api::{
    ChangePasswordRequest, CreateTokenRequest, CreateTokenResponse, LoginRequest, LoginResponse, MeResponse,
};
use clap::Args;
use hyper::Method;

use crate::args::{Exit, Failure};
use crate::cli::client::Client;
use crate::cli::context::{ConnectArgs, Context};
use crate::cli::output::Output;
use crate::cli::prompt;
use crate::cli::settings::Settings;
use crate::system::host_name;

/// `argosy login`.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The user's name
    #[arg(long, default_value = "admin")]
    name: String,
    /// Read the password from standard input (one line)
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
    /// Read the password from a file (the server's first start writes admin-password.txt)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Read the new password, if one must be chosen, from standard input (the line after the password)
    #[arg(long)]
    new_password_stdin: bool,
    /// What the token is called at the server [default: "argosy on" and this machine's name]
    #[arg(long, value_name = "NAME")]
    token_name: Option<String>,
}

impl LoginArgs {
    fn password(&self) -> Result<String, Failure> {
        if self.password_stdin {
            return prompt::from_stdin("password");
        }
        match &self.password_file {
            Some(file) => std::fs::read_to_string(file)
                .map(|text| text.lines().next().unwrap_or_default().to_owned())
                .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display()))),
            None => {
                prompt::secret(&format!("Password of {}", self.name), "--password-stdin or --password-file")
            }
        }
    }

    fn new_password(&self) -> Result<String, Failure> {
        if self.new_password_stdin {
            return prompt::from_stdin("new password");
        }
        eprintln!("The password was made for one use: choose a new one (12 characters at least).");
        let new = prompt::secret("New password", "--new-password-stdin")?;
        if prompt::secret("The same again", "--new-password-stdin")? != new {
            return Err(Failure::usage("the two are not the same; nothing was changed"));
        }
        Ok(new)
    }
}

pub(crate) async fn login(args: LoginArgs) -> Result<ExitCode, Failure> {
    let before = Settings::load().unwrap_or_default();
    let (base, roots) = args.connect.target(&before)?;
    if base.is_open() {
        eprintln!("warning: {base} is without TLS: the password passes in clear");
    }
    let mut client = Client::new(base.clone(), roots.as_deref(), None)?;
    let password = args.password()?;
    let request = LoginRequest { name: args.name.clone(), password: password.clone() };
    let logged_in: LoginResponse = client.open_session("login", &request).await?;
    if logged_in.must_change_password {
        let change = ChangePasswordRequest { current: password, new: args.new_password()? };
        client.renew_session("me/password", &change).await?;
    }
    let name = args.token_name.clone().unwrap_or_else(|| {
        format!("argosy on {}", host_name().unwrap_or_else(|| "an unnamed machine".to_owned()))
    });
    let request = CreateTokenRequest { name, expires_at: None };
    let token: CreateTokenResponse = client.call(Method::POST, "tokens", Some(&request)).await?;
    let settings = Settings {
        server: Some(base.to_string()),
        token: Some(token.token.clone()),
        token_id: Some(token.view.id),
        ca_pem: roots.filter(|_| base.tls).map(|pem| String::from_utf8_lossy(&pem).into_owned()),
    };
    let path = settings.save()?;
    // The session has done its work; the token stays.
    let _ = client.act(Method::POST, "logout", None::<&()>).await;
    let user = &logged_in.user;
    let said =
        format!("logged in to {base} as {} ({}); remembered in {}", user.name, user.role, path.display());
    Output::new(args.connect.json).done(user, &said)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn logout(connect: &ConnectArgs) -> Result<ExitCode, Failure> {
    let settings = Settings::load()?;
    let deleted = match settings.token_id {
        Some(id) if settings.token.is_some() => {
            // Where it was made, whatever --server says.
            let own = ConnectArgs { server: settings.server.clone(), token: None, ..connect.clone() };
            let mut context = own.open()?;
            context.client.act(Method::DELETE, &format!("tokens/{id}"), None::<&()>).await
        }
        _ => Ok(()),
    };
    Settings::forget()?;
    match deleted {
        // Deleted by somebody else is deleted.
        Err(failure) if !matches!(failure.exit, Exit::NotFound | Exit::Refused) => Err(Failure {
            message: format!(
                "forgotten here, but the token is still good at the server: {}",
                failure.message
            ),
            ..failure
        }),
        _ => {
            eprintln!("logged out");
            Ok(ExitCode::SUCCESS)
        }
    }
}

pub(crate) async fn whoami(context: &mut Context) -> Result<ExitCode, Failure> {
    let me: MeResponse = context.client.get("me").await?;
    let fields = [
        ("user", me.user.name.clone()),
        ("role", me.user.role.to_string()),
        ("via", me.via.clone()),
        ("server", context.client.base().to_string()),
    ];
    context.out.record(&me, &fields)?;
    Ok(ExitCode::SUCCESS)
}
