//! A private PostgreSQL and a private MariaDB for one test run, on loopback and random ports, in a temporary folder.
//!
//! They run with their commit flush on, as production must, so that what is measured and promised about durability is the
//! real thing. Both refuse to run as root: then they get the user that their Debian package made. They die with this
//! process, however it ends: the kernel's parent-death signal covers what `Drop` cannot (ctrl-c, SIGKILL).

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::{Process, bound_to_us, free_port, random_hex};
use crate::{setup, shell};

/// How long a server may take to answer its first query. Generous: CI machines are slow and shared.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// The name of the database and of its owner, who may create further databases (tests make a fresh one each).
const NAME: &str = "argosy";

/// Both servers; dropping it stops them and deletes their data.
pub(crate) struct Servers {
    postgres: Server,
    mysql: Server,
    // Last: fields are dropped in order, and the folder must outlive the servers.
    _folder: Folder,
}

struct Server {
    // Killed when dropped. The data is thrown away, so nothing is owed to it; PostgreSQL's workers follow their postmaster.
    process: Process,
    url: String,
    version: String,
}

impl Servers {
    /// Starts both and returns when both answer queries.
    pub(crate) fn start() -> Result<Self> {
        let folder = Folder::new()?;
        // 128 bits: the servers listen on loopback, where other users of the machine could reach them.
        let password = random_hex(16)?;
        let postgres = start_postgres(&folder.0, &password).context("could not start PostgreSQL")?;
        let mysql = start_mariadb(&folder.0, &password).context("could not start MariaDB")?;
        Ok(Self { postgres, mysql, _folder: folder })
    }

    pub(crate) fn postgres_url(&self) -> &str {
        &self.postgres.url
    }

    pub(crate) fn mysql_url(&self) -> &str {
        &self.mysql.url
    }

    pub(crate) fn versions(&self) -> String {
        format!("{}, {}", self.postgres.version, self.mysql.version)
    }
}

fn start_postgres(folder: &Path, password: &str) -> Result<Server> {
    let program = |name: &str| {
        setup::postgres_bin(name).with_context(|| format!("{name} is missing: run `cargo xtask setup`"))
    };
    let user = User::for_server("postgres")?;
    let home = user.folder(folder, "postgres")?;
    let data = home.join("data");
    let password_file = home.join("password");
    user.file(&password_file, password)?;
    shell::output(
        user.command(&program("initdb")?, "QUIT")
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"])
            .arg(format!("--username={NAME}"))
            .arg(format!("--pwfile={}", password_file.display()))
            .arg(format!("--pgdata={}", data.display())),
    )?;
    let port = free_port()?;
    let setting = |key: &str, value: &str| format!("--{key}={value}");
    let mut command = user.command(&program("postgres")?, "QUIT");
    command
        .arg(setting("data_directory", &data.display().to_string()))
        .arg("-D")
        .arg(&data)
        .arg(setting("listen_addresses", "127.0.0.1"))
        .arg(setting("port", &port.to_string()))
        .arg(setting("unix_socket_directories", &home.display().to_string()))
        .arg(setting("fsync", "on"))
        .arg(setting("synchronous_commit", "on"))
        .arg(setting("max_connections", "400"));
    let mut server = Server::spawn(
        command,
        &home.join("log"),
        format!("postgres://{NAME}:{password}@127.0.0.1:{port}/{NAME}"),
    )?;
    let psql = shell::find_program("psql").context("psql is missing: run `cargo xtask setup`")?;
    let query = |database: &str, sql: &str| {
        let mut command = shell::command(&psql);
        command
            .env("PGPASSWORD", password)
            .env("PGCONNECT_TIMEOUT", "5")
            .args([
                "--no-psqlrc",
                "-tA",
                "-h",
                "127.0.0.1",
                "-U",
                NAME,
                "-p",
                &port.to_string(),
                "-d",
                database,
            ])
            .args(["-c", sql]);
        command
    };
    server.wait_until_ready(|| query("postgres", "SHOW server_version"))?;
    shell::output(&mut query("postgres", &format!("CREATE DATABASE {NAME}")))?;
    server.version = format!("PostgreSQL {}", first_word(&server.version));
    Ok(server)
}

fn start_mariadb(folder: &Path, password: &str) -> Result<Server> {
    let program = |name: &str| {
        shell::find_program(name).with_context(|| format!("{name} is missing: run `cargo xtask setup`"))
    };
    let user = User::for_server("mysql")?;
    let home = user.folder(folder, "mariadb")?;
    let data = home.join("data");
    let mut install = user.command(&program("mariadb-install-db")?, "KILL");
    install
        .args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ])
        .arg(format!("--datadir={}", data.display()));
    shell::output(&mut install)?;
    let first_statements = home.join("init.sql");
    user.file(
        &first_statements,
        &format!(
            "CREATE DATABASE IF NOT EXISTS {NAME} CHARACTER SET utf8mb4;\n\
             CREATE USER IF NOT EXISTS '{NAME}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
             GRANT ALL PRIVILEGES ON *.* TO '{NAME}'@'127.0.0.1' WITH GRANT OPTION;\n"
        ),
    )?;
    let port = free_port()?;
    let mut command = user.command(&program("mariadbd")?, "KILL");
    command
        .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-networking=0"])
        .args(["--innodb-flush-log-at-trx-commit=1", "--max-connections=400"])
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--socket={}", home.join("socket").display()))
        .arg(format!("--pid-file={}", home.join("pid").display()))
        .arg(format!("--init-file={}", first_statements.display()))
        .arg(format!("--port={port}"));
    let mut server = Server::spawn(
        command,
        &home.join("log"),
        format!("mysql://{NAME}:{password}@127.0.0.1:{port}/{NAME}"),
    )?;
    let client = program("mariadb")?;
    server.wait_until_ready(|| {
        let mut command = shell::command(&client);
        command
            .env("MYSQL_PWD", password)
            .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--connect-timeout=5", "-N", "-B"])
            .args([&format!("--port={port}"), &format!("--user={NAME}"), "-e", "SELECT version()", NAME]);
        command
    })?;
    server.version = format!("MariaDB {}", first_word(&server.version));
    Ok(server)
}

impl Server {
    fn spawn(command: Command, log: &Path, url: String) -> Result<Self> {
        Ok(Self { process: Process::spawn(command, log)?, url, version: String::new() })
    }

    /// Asks until it answers; the answer becomes its version.
    fn wait_until_ready(&mut self, question: impl Fn() -> Command) -> Result<()> {
        let answer = self.process.wait_until(READY_WITHIN, || shell::output(&mut question()))?;
        answer.trim().clone_into(&mut self.version);
        Ok(())
    }
}

/// The user that a server runs as: the package's own when this is root, else the one who runs this.
struct User {
    ids: Option<(u32, u32)>,
}

impl User {
    fn for_server(name: &str) -> Result<Self> {
        if !setup::is_root()? {
            return Ok(Self { ids: None });
        }
        let accounts = std::fs::read_to_string("/etc/passwd").context("could not read the list of users")?;
        let ids = accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next()? == name;
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            found.then_some((uid, gid))
        });
        match ids {
            Some(ids) => Ok(Self { ids: Some(ids) }),
            None => bail!("the server cannot run as root, and there is no user `{name}` to run it as"),
        }
    }

    /// A command as this user, that gets `death_signal` when the process that started it ends.
    fn command(&self, program: &Path, death_signal: &str) -> Command {
        bound_to_us(program, death_signal, self.ids)
    }

    fn folder(&self, parent: &Path, name: &str) -> Result<PathBuf> {
        let folder = parent.join(name);
        std::fs::create_dir(&folder).with_context(|| format!("could not make {}", folder.display()))?;
        self.own(&folder, 0o700)?;
        Ok(folder)
    }

    fn file(&self, file: &Path, content: &str) -> Result<()> {
        std::fs::write(file, content).with_context(|| format!("could not write {}", file.display()))?;
        self.own(file, 0o600)
    }

    fn own(&self, path: &Path, mode: u32) -> Result<()> {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        if let Some((uid, gid)) = self.ids {
            chown(path, Some(uid), Some(gid))
                .with_context(|| format!("could not give {} to user {uid}", path.display()))?;
        }
        Ok(())
    }
}

/// A temporary folder named after this process. Folders of runs that were killed are cleared away by the next one.
struct Folder(PathBuf);

impl Folder {
    const PREFIX: &'static str = "argosy-test-servers-";

    fn new() -> Result<Self> {
        // Not in the target folder: that may lie below a home that another user cannot enter.
        let parent = std::env::temp_dir();
        for entry in std::fs::read_dir(&parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let left_by = name.to_str().and_then(|name| name.strip_prefix(Self::PREFIX)?.parse::<u32>().ok());
            if left_by.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let folder = Self(parent.join(format!("{}{}", Self::PREFIX, std::process::id())));
        std::fs::create_dir(&folder.0).with_context(|| format!("could not make {}", folder.0.display()))?;
        std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o711))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}
