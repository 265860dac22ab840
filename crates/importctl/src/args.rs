//! The command line: as typed, then as settings.
//!
//! Habits are those of getopt_long(3): long options may be abbreviated, short ones bundled, values
//! follow after `=` or as the next argument, options may stand after the verb, `--` ends them.

mod additions;
mod mistakes;
mod oci;
mod values;

use self::additions::long_options;
use self::mistakes::explain;
use self::oci::{OciOptions, OciVerb};
use self::values::{
    parse_class, parse_format, parse_host, parse_json, parse_keep, parse_machine, parse_progress,
    parse_verify,
};
use crate::network::NetworkOptions;
use crate::report::Failure;
use crate::transport::{Host, Machine, Transport};
use crate::verb;
use clap::{Arg, ArgAction, Args, Command, FromArgMatches};
use importd_api::abbreviation::write_out;
use importd_api::class::{Class, Scope};
use importd_api::flags::Flags;
use importd_api::format::Format;
use importd_api::job::{Packing, Shape};
use importd_api::verify::Verify;
use std::ffi::OsString;
use std::path::PathBuf;

/// The options that select a class; the last one given counts.
const CLASS: [&str; 5] = ["class", "machine", "portable", "sysext", "confext"];
/// The options that select what is kept.
const KEEP: [&str; 2] = ["keep_download", "no_keep_download"];
/// The options that select JSON.
const JSON: [&str; 2] = ["json", "json_auto"];
/// The options that select where the service is.
const PLACE: [&str; 2] = ["host", "machine_name"];
/// The options that select a scope.
const SCOPE: [&str; 2] = ["system", "user"];

/// Options as typed. Help texts appear in `--help`, completions and `--introspect-cli`.
#[derive(Args, Debug)]
struct Typed {
    /// Show this help
    #[arg(short, long, action = ArgAction::Help)]
    help: Option<bool>,
    /// Show the version
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,
    /// Do not pipe output into a pager
    #[arg(long)]
    no_pager: bool,
    /// Show neither headers nor footers
    #[arg(long)]
    no_legend: bool,
    /// Do not ask for passwords
    #[arg(long)]
    no_ask_password: bool,
    /// Talk to the service of another host, by ssh
    #[arg(short = 'H', long, value_name = "[USER@]HOST", allow_hyphen_values = true,
          value_parser = parse_host, overrides_with_all = PLACE)]
    host: Option<Host>,
    /// Talk to the service of a container
    #[arg(short = 'M', long = "machine", value_name = "CONTAINER", allow_hyphen_values = true,
          value_parser = parse_machine, overrides_with_all = PLACE)]
    machine_name: Option<Machine>,
    /// Act on images of the system (default)
    #[arg(long, alias = "s", overrides_with_all = SCOPE)]
    system: bool,
    /// Act on images of the calling user
    #[arg(long, overrides_with_all = SCOPE)]
    user: bool,
    /// Make the image read-only
    #[arg(long)]
    read_only: bool,
    /// Show only warnings and errors
    #[arg(short, long)]
    quiet: bool,
    /// How a transfer shows how far it is (auto, bar, plain, json, none)
    #[arg(long, value_name = "MODE", allow_hyphen_values = true, value_parser = parse_progress)]
    progress: Option<Progress>,
    /// Print JSON (pretty, short, off)
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true, value_parser = parse_json,
          overrides_with_all = JSON)]
    json: Option<Json>,
    /// Same as --json=pretty on a terminal, --json=short elsewhere
    #[arg(short = 'j', overrides_with_all = JSON)]
    json_auto: bool,
    /// What a download must prove (no, checksum, signature)
    #[arg(long, value_name = "MODE", allow_hyphen_values = true, value_parser = parse_verify)]
    verify: Option<Verify>,
    /// Compression of an export (uncompressed, xz, gzip, bzip2, zstd, lz4)
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true, value_parser = parse_format)]
    format: Option<Format>,
    /// Replace an image of the same name
    #[arg(long)]
    force: bool,
    /// Class of the image (machine, portable, sysext, confext)
    #[arg(long, value_name = "CLASS", allow_hyphen_values = true, value_parser = parse_class,
          overrides_with_all = CLASS)]
    class: Option<Class>,
    /// Same as --class=machine: a virtual machine or container
    #[arg(short = 'm', overrides_with_all = CLASS)]
    machine: bool,
    /// Same as --class=portable: a portable service
    #[arg(short = 'P', overrides_with_all = CLASS)]
    portable: bool,
    /// Same as --class=sysext: a system extension
    #[arg(short = 'S', overrides_with_all = CLASS)]
    sysext: bool,
    /// Same as --class=confext: a configuration extension
    #[arg(short = 'C', overrides_with_all = CLASS)]
    confext: bool,
    /// Whether a download is kept as it came (default: yes for machine, no otherwise)
    #[arg(long, value_name = "BOOL", allow_hyphen_values = true, value_parser = parse_keep,
          overrides_with_all = KEEP)]
    keep_download: Option<bool>,
    /// Same as --keep-download=no
    #[arg(short = 'N', overrides_with_all = KEEP)]
    no_keep_download: bool,
    /// Do the work in this process's children, without the service
    #[arg(long)]
    standalone: bool,
    /// Folder of images, instead of the class's (needs --standalone)
    #[arg(long, value_name = "DIR", allow_hyphen_values = true,
          value_hint = clap::ValueHint::DirPath)]
    image_root: Option<PathBuf>,
    /// Tell what a download or clean would do, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// With clean: only downloads that a newer one supersedes
    #[arg(long)]
    superseded: bool,
    /// With clean: only what is at least this old (as in 30d, 12h)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    older_than: Option<String>,
    #[command(flatten)]
    oci: OciOptions,
    #[command(flatten)]
    network: NetworkOptions,
    /// Describe this command line as JSON
    #[arg(long, hide = true)]
    introspect_cli: bool,
}

/// Form of JSON output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    /// None: tables.
    Off,
    /// One line.
    Short,
    /// Indented.
    Pretty,
    /// Indented on a terminal, one line elsewhere.
    Auto,
}

/// How a transfer shows how far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A bar on a terminal, nothing elsewhere.
    #[default]
    Auto,
    /// A bar, whatever standard error is.
    Bar,
    /// A line now and then.
    Plain,
    /// One object a line on standard error, and nothing else there.
    Json,
    /// Not at all.
    None,
}

impl Progress {
    /// All, with their names.
    pub(crate) const ALL: [(&str, Progress); 5] = [
        ("auto", Progress::Auto),
        ("bar", Progress::Bar),
        ("plain", Progress::Plain),
        ("json", Progress::Json),
        ("none", Progress::None),
    ];
}

/// Options as meant.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Whose images.
    pub(crate) scope: Scope,
    /// The class asked for.
    pub(crate) class: Option<Class>,
    /// `--force`, `--read-only`, `--keep-download` with its default.
    pub(crate) flags: Flags,
    /// What a download must prove.
    pub(crate) verify: Verify,
    /// `--format`.
    pub(crate) format: Option<Format>,
    /// Where the service is.
    pub(crate) transport: Transport,
    /// `--json`.
    pub(crate) json: Json,
    /// `--progress`.
    pub(crate) progress: Progress,
    /// Whether lists and the help may be shown through a pager.
    pub(crate) pager: bool,
    /// Whether lists have a header and a footer.
    pub(crate) legend: bool,
    /// `--quiet`.
    pub(crate) quiet: bool,
    /// Whether the service may ask for a password.
    pub(crate) ask_password: bool,
    /// `--standalone`.
    pub(crate) standalone: bool,
    /// `--image-root`, absolute.
    pub(crate) image_root: Option<PathBuf>,
    /// `--dry-run`.
    pub(crate) dry_run: bool,
    /// `--superseded`.
    pub(crate) superseded: bool,
    /// `--older-than`.
    pub(crate) older_than: Option<String>,
    /// `--arch`, `--flat`, `--reset`.
    pub(crate) shape: Shape,
    /// `--format`, `--arch`, `--tag`.
    pub(crate) packing: Packing,
    /// Options of an image of OCI for the worker.
    pub(crate) image: Vec<OsString>,
    /// Options of a download for the worker.
    pub(crate) network: Vec<OsString>,
    /// The verb and its arguments.
    pub(crate) words: Vec<OsString>,
}

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A verb.
    Run(Box<Settings>),
    /// `--help`
    Help {
        /// Whether it may be shown through a pager.
        pager: bool,
    },
    /// `--version`
    Version,
    /// `--introspect-cli`
    Introspection,
    /// The values of an option, one a line.
    Values(Vec<&'static str>),
}

/// The options as a clap command, without verbs.
pub(crate) fn command() -> Command {
    let command = Command::new("importctl")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .infer_long_args(true)
        .args_override_self(true)
        .no_binary_name(true);
    Typed::augment_args(command)
}

/// Reads a command line, without the program's name.
///
/// # Errors
/// A usage failure in the reference's wording.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Asked> {
    let words = Arg::new("words")
        .num_args(0..)
        .action(ArgAction::Append)
        .value_parser(clap::value_parser!(OsString));
    let command = command().arg(words);
    let arguments = write_out(arguments, &long_options(&command));
    // What shows the help ends the parsing there and then.
    let no_pager = arguments.iter().any(is_no_pager);
    let matches = match command.clone().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => {
            return match explain(&error, &command, arguments.last())? {
                Asked::Help { .. } => Ok(Asked::Help { pager: !no_pager }),
                asked => Ok(asked),
            };
        }
    };
    let typed = match Typed::from_arg_matches(&matches) {
        Ok(typed) => typed,
        Err(error) => return explain(&error, &command, None),
    };
    if typed.introspect_cli {
        return Ok(Asked::Introspection);
    }
    let words = matches.get_many::<OsString>("words").unwrap_or_default();
    let settings = typed.into_settings(words.cloned().collect())?;
    Ok(Asked::Run(Box::new(settings)))
}

/// Whether a word is `--no-pager`, or the start of it that no other option has.
fn is_no_pager(word: &OsString) -> bool {
    let word = word.to_str().unwrap_or_default();
    word.len() >= "--no-p".len() && "--no-pager".starts_with(word)
}

impl Typed {
    fn into_settings(self, words: Vec<OsString>) -> anyhow::Result<Settings> {
        let class = self.class();
        let keep = match self.no_keep_download {
            true => Some(false),
            false => self.keep_download,
        };
        let json = match self.json_auto {
            true => Json::Auto,
            false => self.json.unwrap_or(Json::Off),
        };
        self.check_options(words.first())?;
        let image_root = match self.image_root {
            Some(path) => Some(
                std::path::absolute(&path)
                    .map_err(|error| Failure::io("Failed to resolve --image-root=", &error))?,
            ),
            None => None,
        };
        Ok(Settings {
            scope: if self.user {
                Scope::User
            } else {
                Scope::System
            },
            class,
            flags: Flags {
                force: self.force,
                read_only: self.read_only,
                keep_download: keep.unwrap_or(class == Some(Class::Machine)),
            },
            verify: self.verify.unwrap_or(Verify::Signature),
            format: self.format,
            transport: Transport::of(self.host, self.machine_name),
            json,
            progress: self.progress.unwrap_or_default(),
            pager: !self.no_pager,
            legend: !self.no_legend && json == Json::Off,
            quiet: self.quiet,
            ask_password: !self.no_ask_password,
            standalone: self.standalone,
            image_root,
            dry_run: self.dry_run,
            superseded: self.superseded,
            older_than: self.older_than,
            shape: self.oci.shape(),
            packing: self.oci.packing(self.format),
            image: self.oci.for_worker(),
            network: self.network.for_worker(),
            words,
        })
    }

    /// Refuses options that mean nothing here: what works without the service takes more.
    fn check_options(&self, verb: Option<&OsString>) -> anyhow::Result<()> {
        let is = |name: &str| verb.is_some_and(|verb| verb == name);
        let is_pull = is("pull-tar") || is("pull-raw") || is("pull-oci");
        let is_plan = self.dry_run && is_pull;
        let refusal = if self.image_root.is_some() && !(self.standalone || is_plan || is("clean")) {
            "--image-root= needs --standalone"
        } else if self.dry_run && !(is_plan || is("clean")) {
            "--dry-run is for pull-tar, pull-raw, pull-oci and clean"
        } else if (self.superseded || self.older_than.is_some()) && !is("clean") {
            "--superseded and --older-than= are for clean"
        } else {
            let oci = OciVerb::parse(verb);
            self.oci.check(oci, self.force)?;
            if oci != Some(OciVerb::Pull) || self.verify != Some(Verify::Signature) {
                return Ok(());
            }
            // Who demands a signature must not get an image without one.
            "Signatures of OCI images cannot be verified; digests always are, leave out --verify="
        };
        Err(Failure::usage(refusal))
    }

    fn class(&self) -> Option<Class> {
        let by_flag = [
            (self.machine, Class::Machine),
            (self.portable, Class::Portable),
            (self.sysext, Class::Sysext),
            (self.confext, Class::Confext),
        ];
        let flag = by_flag.iter().find(|(given, _)| *given);
        flag.map(|(_, class)| *class).or(self.class)
    }
}

impl Settings {
    /// The class of a transfer.
    ///
    /// # Errors
    /// The reference's sentence with the folder of each class if none was given.
    pub(crate) fn required_class(&self, state_home: &std::path::Path) -> anyhow::Result<Class> {
        self.class.ok_or_else(|| {
            let list = Class::ALL.map(|class| {
                let root = match self.scope {
                    Scope::System => PathBuf::from(class.system_root()),
                    Scope::User => class.user_root(state_home),
                };
                format!("{class} (downloads to {}/)", root.display())
            });
            Failure::usage(format!(
                "No image class specified, retry with --class= set to one of: {}.",
                list.join(", ")
            ))
        })
    }

    /// The verb and its arguments.
    ///
    /// # Errors
    /// As [`verb::resolve`].
    pub(crate) fn verb(&self) -> anyhow::Result<(verb::Verb, &[OsString])> {
        verb::resolve(&self.words)
    }
}

#[cfg(test)]
#[path = "args/tests.rs"]
mod tests;
