//! `coracle.toml` → defaults of the command line.
//!
//! ```toml
//! quiet = true          # flags of every command
//!
//! [build]               # one table per command, keys named as its flags
//! inputs = ["docs"]
//! out = "public/search"
//! chunk-tokens = 180
//! ```
//!
//! The grammar in `cli.rs` is the only list of settings: a key is looked up there and its value
//! becomes the default of the flag. So the order "flag, environment, file" is clap's own, values
//! are checked by the same parsers, and `--help` shows what the file says.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;

use clap::Arg;
use clap::ArgAction;
use clap::Command;
use clap::CommandFactory;
use clap::FromArgMatches;
use clap::error::ErrorKind;
use toml::de::DeTable;
use toml::de::DeValue;

use crate::cli::Cli;

/// The file that is read when it exists and `--config` names no other.
pub const FILE_NAME: &str = "coracle.toml";

/// What is wrong with the command line or the configuration file.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The command line is wrong, or asks for help or the version: clap knows how to say it.
    Usage(clap::Error),
    /// The file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not TOML.
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The parser's words.
        message: String,
    },
    /// A key that no command knows.
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The key with its table, for example `build.chunk-tokns`.
        key: String,
        /// The most similar key there is.
        nearest: String,
    },
    /// A value that its flag does not take.
    BadValue {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The key with its table.
        key: String,
        /// What is wrong with it.
        message: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Read { path, source } => {
                write!(
                    f,
                    "cannot read {}: {source}; check --config",
                    path.display()
                )
            }
            Self::Syntax {
                path,
                line,
                message,
            } => {
                write!(f, "{}:{line}: {message}", path.display())
            }
            Self::UnknownKey {
                path,
                line,
                key,
                nearest,
            } => write!(
                f,
                "{}:{line}: there is no setting {key:?}; did you mean {nearest:?}?",
                path.display()
            ),
            Self::BadValue {
                path,
                line,
                key,
                message,
            } => {
                write!(f, "{}:{line}: {key}: {message}", path.display())
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Usage(error) => Some(error),
            Self::Read { source, .. } => Some(source),
            Self::Syntax { .. } | Self::UnknownKey { .. } | Self::BadValue { .. } => None,
        }
    }
}

/// Reads the command line `args` (the program's name first) over the configuration file: the one
/// that `--config` names, else [`FILE_NAME`] in `folder`, else none.
///
/// # Errors
/// [`ConfigError`]; its `Usage` also carries `--help` and `--version`, which are no failures.
pub fn parse(args: &[OsString], folder: &Path) -> Result<Cli, ConfigError> {
    let Some((path, text)) = read_file(args, folder)? else {
        return finish(Cli::command(), args);
    };
    let grammar = Cli::command();
    let settings = settings(&grammar, &path, &text)?;
    let error = match finish(with_defaults(&settings, false), args) {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    // Is it the command line or the file? Try each setting alone, with nothing required.
    if is_value_error(&error) && finish(with_defaults(&[], true), args).is_ok() {
        for setting in &settings {
            let alone = finish(with_defaults(std::slice::from_ref(setting), true), args);
            if let Err(ConfigError::Usage(error)) = alone {
                return Err(setting.bad_value(&path, &text, first_line(&error)));
            }
        }
    }
    Err(error)
}

fn is_value_error(error: &ConfigError) -> bool {
    let ConfigError::Usage(error) = error else {
        return false;
    };
    matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::InvalidUtf8
    )
}

/// The first line of clap's message without its "error: ".
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn finish(grammar: Command, args: &[OsString]) -> Result<Cli, ConfigError> {
    let matches = grammar
        .try_get_matches_from(args)
        .map_err(ConfigError::Usage)?;
    Cli::from_arg_matches(&matches).map_err(ConfigError::Usage)
}

/// The configuration file's path and text.
fn read_file(args: &[OsString], folder: &Path) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let mut named = None;
    // Errors come up again in the real parse; here only `--config` matters.
    if let Ok(matches) = Cli::command()
        .ignore_errors(true)
        .try_get_matches_from(args)
    {
        named = matches
            .try_get_one::<PathBuf>("config")
            .ok()
            .flatten()
            .cloned();
    }
    let path = named.clone().unwrap_or_else(|| folder.join(FILE_NAME));
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Read { path, source }),
    }
}

/// One key of the file, found in the grammar.
#[derive(Debug, Clone)]
struct Setting {
    /// The command it belongs to; `None` for flags of every command.
    command: Option<String>,
    /// Id of the argument in the grammar.
    id: String,
    key: String,
    values: Vec<String>,
    at: Range<usize>,
}

impl Setting {
    fn bad_value(&self, path: &Path, text: &str, message: String) -> ConfigError {
        ConfigError::BadValue {
            path: path.to_owned(),
            line: line_of(text, self.at.start),
            key: self.key.clone(),
            message,
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(at)
        .filter(|&&b| b == b'\n')
        .count()
        + 1
}

/// The key under which an argument is set: its long flag; of the positional ones only the inputs
/// of `build`, the others differ from call to call.
fn key_of(arg: &Arg) -> Option<&str> {
    match arg.get_long() {
        Some("help" | "version" | "config") => None,
        Some(long) => Some(long),
        None => (arg.get_id() == "inputs").then_some("inputs"),
    }
}

fn settings(grammar: &Command, path: &Path, text: &str) -> Result<Vec<Setting>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    let mut out = Vec::new();
    for (name, value) in table.get_ref() {
        let found = grammar.find_subcommand(name.get_ref().as_ref());
        match (found, value.get_ref()) {
            (Some(command), DeValue::Table(keys)) => {
                for (key, value) in keys {
                    let section = Section {
                        grammar,
                        command: Some(command),
                        path,
                        text,
                    };
                    out.push(section.setting(key.get_ref(), key.span(), value.get_ref())?);
                }
            }
            (_, value) => {
                let section = Section {
                    grammar,
                    command: None,
                    path,
                    text,
                };
                out.push(section.setting(name.get_ref(), name.span(), value)?);
            }
        }
    }
    Ok(out)
}

/// Where a key of the file is looked up.
struct Section<'a> {
    grammar: &'a Command,
    command: Option<&'a Command>,
    path: &'a Path,
    text: &'a str,
}

impl Section<'_> {
    fn setting(
        &self,
        key: &str,
        at: Range<usize>,
        value: &DeValue<'_>,
    ) -> Result<Setting, ConfigError> {
        let full = match self.command {
            Some(command) => format!("{}.{key}", command.get_name()),
            None => key.to_owned(),
        };
        let args = self.command.unwrap_or(self.grammar);
        let Some(arg) = args.get_arguments().find(|arg| key_of(arg) == Some(key)) else {
            return Err(ConfigError::UnknownKey {
                path: self.path.to_owned(),
                line: line_of(self.text, at.start),
                nearest: self.nearest(&full),
                key: full,
            });
        };
        let takes_many = matches!(arg.get_action(), ArgAction::Append);
        let mut setting = Setting {
            command: self.command.map(|command| command.get_name().to_owned()),
            id: arg.get_id().to_string(),
            key: full,
            values: Vec::new(),
            at,
        };
        let scalars: Option<Vec<String>> = match value {
            DeValue::Array(items) if takes_many => {
                items.iter().map(|item| scalar(item.get_ref())).collect()
            }
            value => scalar(value).map(|value| vec![value]),
        };
        match scalars {
            Some(values) => setting.values = values,
            None => {
                let wanted = if takes_many {
                    "a value or a list of values"
                } else {
                    "a single value"
                };
                let message = format!("expected {wanted}");
                return Err(setting.bad_value(self.path, self.text, message));
            }
        }
        Ok(setting)
    }

    /// The setting whose name is most like `key`; names without their table count too.
    fn nearest(&self, key: &str) -> String {
        let global = self
            .grammar
            .get_arguments()
            .filter_map(key_of)
            .map(str::to_owned);
        let local = self.grammar.get_subcommands().flat_map(|command| {
            let name = command.get_name().to_owned();
            command
                .get_arguments()
                .filter_map(key_of)
                .map(move |key| format!("{name}.{key}"))
        });
        let last = |name: &str| {
            name.rsplit('.')
                .next()
                .unwrap_or_default()
                .replace('_', "-")
        };
        let distance = |name: &str| {
            (
                strsim::damerau_levenshtein(&last(name), &last(key)),
                strsim::damerau_levenshtein(name, key),
            )
        };
        global
            .chain(local)
            .min_by_key(|name| distance(name))
            .unwrap_or_default()
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|n| n.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// The grammar with `settings` as defaults.
fn with_defaults(settings: &[Setting], is_lenient: bool) -> Command {
    let mut grammar = Cli::command();
    if is_lenient {
        grammar = grammar.mut_subcommand("build", |build| {
            build.mut_args(|arg| {
                if arg.is_required_set() {
                    arg.required(false)
                } else {
                    arg
                }
            })
        });
    }
    for setting in settings {
        let values = setting.values.clone();
        let set = |arg: Arg| arg.required(false).default_values(values);
        grammar = match &setting.command {
            None => grammar.mut_arg(&setting.id, set),
            Some(name) => grammar.mut_subcommand(name, |c| c.mut_arg(&setting.id, set)),
        };
    }
    grammar
}
