//! File and environment, one over the other.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::{ConfigError, File};

/// What every variable of ours begins with.
const PREFIX: &str = "MADANG_";

/// Parts of a key within a variable: `MADANG_CHAT__TEXT_BYTES` is `chat.text_bytes`.
const SEPARATOR: &str = "__";

/// Variables of the environment, by name; tests bring their own.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's own.
    pub fn of_process() -> Self {
        std::env::vars().collect()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect())
    }
}

/// The file with the environment over it. A mistake in the file is told with its line, one in a variable by its name.
pub(super) fn compose(file: Option<(&Path, &str)>, environment: &Environment) -> Result<File, ConfigError> {
    let mut table = Table::new();
    if let Some((path, text)) = file {
        // Read once by its final form: that is where keys are unknown and types wrong, with a line.
        toml::from_str::<File>(text).map_err(|error| ConfigError(located(path, text, &error)))?;
        table = toml::from_str(text).map_err(|error| ConfigError(located(path, text, &error)))?;
    }
    for (name, value) in &environment.0 {
        let key = name[PREFIX.len()..].to_ascii_lowercase();
        let mut with = table.clone();
        set(&mut with, &key, typed(value)).map_err(|why| ConfigError(format!("{name}: {why}")))?;
        // One at a time, so that a mistake is told by the variable that makes it. What looks like a number may be text.
        table = match File::deserialize_table(with) {
            Ok(()) => placed(table, &key, typed(value)),
            Err(first) => {
                let as_text = placed(table, &key, Value::String(value.clone()));
                File::deserialize_table(as_text.clone()).map_err(|_| ConfigError(format!("{name}: {first}")))?;
                as_text
            }
        };
    }
    table.try_into().map_err(|error: toml::de::Error| ConfigError(error.message().to_owned()))
}

impl File {
    fn deserialize_table(table: Table) -> Result<(), String> {
        table.try_into::<Self>().map(drop).map_err(|error: toml::de::Error| error.message().to_owned())
    }
}

fn placed(mut table: Table, key: &str, value: Value) -> Table {
    // The caller has set this key once already, so it can be.
    let _ = set(&mut table, key, value);
    table
}

fn set(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    match key.split_once(SEPARATOR) {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((section, rest)) => match table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => set(inner, rest, value),
            _ => Err(format!("{section} is not a section")),
        },
    }
}

/// A variable's value as TOML would read it; what it can't read is text.
fn typed(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn located(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let key = error.span().and_then(|span| key_at(text, span.start));
    let place = line.map_or_else(String::new, |line| format!(":{line}"));
    let key = key.map_or_else(String::new, |key| format!("{key}: "));
    format!("{}{place}: {key}{}", path.display(), error.message().trim())
}

/// The dotted key that stands on the line of `position`.
fn key_at(text: &str, position: usize) -> Option<String> {
    let before = text.get(..position)?;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let (key, _) = text[start..].lines().next()?.split_once('=')?;
    let section = before[..start].lines().rev().find_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'));
    Some(match section {
        Some(section) => format!("{section}.{}", key.trim()),
        None => key.trim().to_owned(),
    })
}
