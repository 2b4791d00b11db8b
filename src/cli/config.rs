//! Settings: what is built in, then the files, then the variables; options come on top in [`super::plan`].
//!
//! A setting nobody knows is an error which names file, line and the nearest one: a typing error that silently changes
//! nothing is worse than none. When we are root, files that others could have written are refused: a configuration names
//! programs to run.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::values::{self, Collector, Format, Freeze, ProbeChoice};
use crate::error::{Error, Kind, Result};

/// The built-in settings, which also explain every setting there is.
pub(crate) const BUILT_IN: &str = include_str!("../../config/default.toml");

/// All settings, each with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) exec: Option<PathBuf>,
    pub(crate) collector: Collector,
    pub(crate) gdb: PathBuf,
    pub(crate) freeze: Freeze,
    pub(crate) timeout: Duration,
    pub(crate) max_pause: Duration,
    pub(crate) max_hold: Duration,
    pub(crate) probes: Vec<ProbeChoice>,
    pub(crate) site_dirs: Vec<PathBuf>,
    pub(crate) debug_dirs: Vec<PathBuf>,
    pub(crate) contents: bool,
    pub(crate) format: Format,
    pub(crate) top: usize,
    pub(crate) bytes: bool,
    pub(crate) output_dir: PathBuf,
    pub(crate) fail_if_over: Option<u64>,
    pub(crate) fail_if_growth: Option<u64>,
    pub(crate) quiet: bool,
}

/// The names of all settings.
const NAMES: [&str; 18] = [
    "exec",
    "collector",
    "gdb",
    "freeze",
    "timeout",
    "max_pause",
    "max_hold",
    "probes",
    "site_dirs",
    "debug_dirs",
    "contents",
    "format",
    "top",
    "bytes",
    "output_dir",
    "fail_if_over",
    "fail_if_growth",
    "quiet",
];

/// What the variables are called: this, then the name of the setting in capitals.
const VARIABLE_PREFIX: &str = "MEMORY_ANALYZER_";

/// The longest configuration that is read.
const MOST_BYTES: u64 = 256 * 1024;

/// The settings of this run, before its options. `given` is the file named with `--config`.
pub(crate) fn load(here: &Environment, given: Option<&Path>) -> Result<Settings> {
    let mut settings = Settings::built_in();
    let found = [Some(here.system_config.clone()), here.user_config()];
    for path in found.into_iter().flatten() {
        if let Some(text) = read_found(&path, here.effective_uid)? {
            settings.apply_file(&path.display(), &text)?;
        }
    }
    if let Some(path) = given {
        let text = read_given(path, here)?;
        settings.apply_file(&path.display(), &text)?;
    }
    settings.apply_variables(here)?;
    Ok(settings)
}

impl Settings {
    /// The settings of [`BUILT_IN`].
    fn built_in() -> Settings {
        // What the file says replaces all of this; a test holds that it says everything.
        let mut settings = Settings {
            exec: None,
            collector: Collector::Auto,
            gdb: PathBuf::new(),
            freeze: Freeze::Auto,
            timeout: Duration::ZERO,
            max_pause: Duration::ZERO,
            max_hold: Duration::ZERO,
            probes: Vec::new(),
            site_dirs: Vec::new(),
            debug_dirs: Vec::new(),
            contents: false,
            format: Format::Text,
            top: 0,
            bytes: false,
            output_dir: PathBuf::new(),
            fail_if_over: None,
            fail_if_growth: None,
            quiet: false,
        };
        settings.apply_file(&"the built-in settings", BUILT_IN).expect("the embedded file is read by a test");
        settings
    }

    /// Lets the TOML in `text` replace settings; `source` is named in errors.
    fn apply_file(&mut self, source: &dyn Display, text: &str) -> Result<()> {
        let line_of = |offset: usize| text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        let wrong = |offset: usize, what: String| {
            Error::new(Kind::Usage, format!("cannot use {source}: line {}: {what}", line_of(offset)))
        };
        let table = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            wrong(offset, error.message().trim_end().replace('\n', ", "))
        })?;
        // In the order of the lines, so that the first mistake is the one named.
        let mut entries = table.get_ref().iter().collect::<Vec<_>>();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let (name, offset) = (name.get_ref().as_ref(), name.span().start);
            let value = Given::Toml(value.get_ref());
            match self.set(name, value) {
                Ok(()) => {}
                Err(Wrong::Name) => {
                    return Err(unknown(wrong(offset, format!("unknown setting `{name}`")), name, str::to_owned));
                }
                Err(Wrong::Value(expected)) => {
                    let found = value.described();
                    return Err(wrong(offset, format!("`{name}` must be {expected}; found {found}")));
                }
            }
        }
        Ok(())
    }

    /// Lets the variables of ours replace settings.
    fn apply_variables(&mut self, here: &Environment) -> Result<()> {
        for (variable, value) in &here.variables {
            let Some(name) = variable.to_str().and_then(|name| name.strip_prefix(VARIABLE_PREFIX)) else { continue };
            let variable = format!("{VARIABLE_PREFIX}{name}");
            let name = name.to_ascii_lowercase();
            let wrong = |what| Error::new(Kind::Usage, format!("cannot use the variable {variable}: {what}"));
            let text = value.to_str().ok_or_else(|| wrong("its value is not UTF-8".to_owned()))?;
            match self.set(&name, Given::Text(text)) {
                Ok(()) => {}
                Err(Wrong::Name) => {
                    let error = wrong(format!("unknown setting `{name}`"));
                    let spelled = |name: &str| format!("{VARIABLE_PREFIX}{}", name.to_ascii_uppercase());
                    return Err(unknown(error, &name, spelled));
                }
                Err(Wrong::Value(expected)) => return Err(wrong(format!("must be {expected}; found `{text}`"))),
            }
        }
        Ok(())
    }

    /// Replaces one setting.
    fn set(&mut self, name: &str, value: Given<'_>) -> std::result::Result<(), Wrong> {
        match name {
            "exec" => self.exec = value.optional(Given::path)?,
            "collector" => self.collector = value.choice()?,
            "gdb" => self.gdb = value.path()?,
            "freeze" => self.freeze = value.choice()?,
            "timeout" => self.timeout = value.seconds()?,
            "max_pause" => self.max_pause = value.seconds()?,
            "max_hold" => self.max_hold = value.seconds()?,
            "probes" => {
                let probes = value.list(',', "a list of probes")?;
                let probes = probes.iter().map(|name| values::probe(name)).collect::<std::result::Result<_, _>>();
                self.probes = probes.map_err(|expected| Wrong::Value(format!("a list, each entry {expected}")))?;
            }
            "site_dirs" => self.site_dirs = value.folders()?,
            "debug_dirs" => self.debug_dirs = value.folders()?,
            "contents" => self.contents = value.flag()?,
            "format" => self.format = value.choice()?,
            "top" => self.top = value.rows()?,
            "bytes" => self.bytes = value.flag()?,
            "output_dir" => self.output_dir = value.path()?,
            "fail_if_over" => self.fail_if_over = value.optional(Given::size)?,
            "fail_if_growth" => self.fail_if_growth = value.optional(Given::size)?,
            "quiet" => self.quiet = value.flag()?,
            _ => return Err(Wrong::Name),
        }
        Ok(())
    }
}

/// Adds to `error` which settings there are: the nearest to `name`, else all, each as `spelled`.
fn unknown(error: Error, name: &str, spelled: impl Fn(&str) -> String) -> Error {
    match values::nearest(name, NAMES) {
        Some(near) => error.hint(format!("the nearest is `{}`", spelled(near))),
        None => error.hint(format!("the settings are {}", NAMES.map(spelled).join(", "))),
    }
}

/// Why a setting could not be replaced.
enum Wrong {
    /// There is none of that name.
    Name,
    /// What its value must be.
    Value(String),
}

/// The most entries of a list.
const MOST_ENTRIES: usize = 256;

/// A value as a file or a variable gives it.
#[derive(Clone, Copy)]
enum Given<'a> {
    Toml(&'a DeValue<'a>),
    Text(&'a str),
}

impl<'a> Given<'a> {
    /// What was found, for people.
    fn described(self) -> String {
        match self {
            Given::Toml(DeValue::String(text)) => format!("\"{text}\""),
            Given::Toml(DeValue::Integer(number)) => number.to_string(),
            Given::Toml(DeValue::Float(number)) => number.to_string(),
            Given::Toml(DeValue::Boolean(flag)) => flag.to_string(),
            Given::Toml(other) => format!("a value of type {}", other.type_str()),
            Given::Text(text) => format!("`{text}`"),
        }
    }

    /// The text of a string; of a number, too, where a number is one way to write the value.
    fn text(self, numbers: bool, expected: &str) -> std::result::Result<String, Wrong> {
        match self {
            Given::Text(text) => Ok(text.to_owned()),
            Given::Toml(DeValue::String(text)) if !numbers => Ok(text.to_string()),
            Given::Toml(DeValue::Integer(number)) if numbers && number.radix() == 10 => Ok(number.as_str().to_owned()),
            Given::Toml(DeValue::Float(number)) if numbers => Ok(number.as_str().to_owned()),
            Given::Toml(_) => Err(Wrong::Value(expected.to_owned())),
        }
    }

    fn seconds(self) -> std::result::Result<Duration, Wrong> {
        let text = self.text(true, &values::seconds("").expect_err("nothing is not a number"))?;
        values::seconds(&text).map_err(Wrong::Value)
    }

    fn rows(self) -> std::result::Result<usize, Wrong> {
        let text = self.text(true, &values::rows("").expect_err("nothing is not a number"))?;
        values::rows(&text).map_err(Wrong::Value)
    }

    fn size(self) -> std::result::Result<u64, Wrong> {
        let text =
            self.text(false, "").or_else(|_| self.text(true, &values::size("").expect_err("nothing is not a size")))?;
        values::size(&text).map_err(Wrong::Value)
    }

    fn path(self) -> std::result::Result<PathBuf, Wrong> {
        let expected = "a path, in quotes";
        let text = self.text(false, expected)?;
        if text.is_empty() || text.contains('\0') { Err(Wrong::Value(expected.to_owned())) } else { Ok(text.into()) }
    }

    fn flag(self) -> std::result::Result<bool, Wrong> {
        match self {
            Given::Toml(DeValue::Boolean(flag)) => Ok(*flag),
            Given::Text("true" | "1") => Ok(true),
            Given::Text("false" | "0") => Ok(false),
            _ => Err(Wrong::Value("true or false".to_owned())),
        }
    }

    fn choice<T: ValueEnum>(self) -> std::result::Result<T, Wrong> {
        let names = T::value_variants().iter().filter_map(T::to_possible_value);
        let names = names.map(|value| format!("\"{}\"", value.get_name())).collect::<Vec<_>>().join(" or ");
        let text = self.text(false, &names)?;
        T::from_str(&text, false).map_err(|_| Wrong::Value(names))
    }

    /// A list of texts; `separator` parts them in a variable.
    fn list(self, separator: char, expected: &str) -> std::result::Result<Vec<String>, Wrong> {
        let wrong = || Wrong::Value(format!("{expected}, at most {MOST_ENTRIES}"));
        let entries = match self {
            Given::Text(text) => {
                text.split(separator).map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
            }
            Given::Toml(DeValue::Array(entries)) => {
                let texts = entries.iter().map(|entry| entry.get_ref().as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().ok_or_else(wrong)?
            }
            Given::Toml(_) => return Err(wrong()),
        };
        if entries.len() > MOST_ENTRIES { Err(wrong()) } else { Ok(entries) }
    }

    fn folders(self) -> std::result::Result<Vec<PathBuf>, Wrong> {
        Ok(self.list(':', "a list of paths")?.into_iter().map(PathBuf::from).collect())
    }

    /// Nothing for `""`.
    fn optional<T>(
        self,
        read: impl Fn(Given<'a>) -> std::result::Result<T, Wrong>,
    ) -> std::result::Result<Option<T>, Wrong> {
        match self {
            Given::Text("") => Ok(None),
            Given::Toml(DeValue::String(text)) if text.is_empty() => Ok(None),
            value => read(value).map(Some),
        }
    }
}

/// The text of a file that is used because it is there; none when it is not.
fn read_found(path: &Path, uid: u32) -> Result<Option<String>> {
    let wrong = |cause: String| Error::new(Kind::Usage, format!("cannot use {}: {cause}", path.display()));
    let file = match read(path) {
        Ok(file) => file,
        // One that we may not even see, as after `su` with HOME kept, is not ours.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(wrong(error.to_string())),
    };
    if uid == 0 && (file.owner != 0 || file.mode & 0o022 != 0) {
        let cause = format!(
            "as root only files that none but root can write; its owner is {}, its mode {:03o}",
            { file.owner },
            file.mode & 0o777
        );
        let remedy = format!("chown root {0} && chmod go-w {0}", path.display());
        return Err(wrong(cause).hint(remedy).hint("or name a file of yours with `--config`"));
    }
    Ok(Some(file.text))
}

/// The text of the file named with `--config`.
fn read_given(path: &Path, here: &Environment) -> Result<String> {
    let file = read(&here.absolute(path)).map_err(|error| {
        Error::new(Kind::BadFile, format!("cannot read the configuration {}: {error}", path.display()))
            .hint("`--config` takes a TOML file; config/default.toml in the sources has every setting with its meaning")
    })?;
    if here.effective_uid == 0 && file.mode & 0o002 != 0 {
        let text = format!("cannot use {}: everybody can write it, and we are root", path.display());
        return Err(Error::new(Kind::Usage, text).hint(format!("chmod o-w {}", path.display())));
    }
    Ok(file.text)
}

/// A file as it was when it was open.
struct ConfigFile {
    text: String,
    owner: u32,
    mode: u32,
}

/// Reads a regular file of a sane length.
fn read(path: &Path) -> io::Result<ConfigFile> {
    // Without O_NONBLOCK a FIFO of that name would keep us waiting.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)?;
    let facts = file.metadata()?;
    let wrong = |text: &str| Err(io::Error::new(io::ErrorKind::InvalidData, text));
    if !facts.is_file() {
        return wrong("not a regular file");
    }
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return wrong("too long for a configuration");
    }
    Ok(ConfigFile { text, owner: facts.uid(), mode: facts.mode() })
}

#[cfg(test)]
mod tests;
