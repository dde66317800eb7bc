//! The workflows that an engine can run.

use std::{collections::BTreeMap, sync::Arc};

use headwater_core::{Invocation, Workflow};
use headwater_wire::names::{NameError, check_name};
use semver::Version;

/// The workflows that an engine can run, by name and version.
#[derive(Clone, Default)]
pub struct Registry {
    workflows: BTreeMap<String, BTreeMap<Version, Arc<dyn Workflow>>>,
}

/// A workflow that cannot be registered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegistryError {
    /// Its name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Its version.
    #[error("{version:?} is not a version of workflow {name:?}: use for example \"1.2.0\"")]
    Version {
        /// Workflow.
        name: String,
        /// What was given.
        version: String,
    },
    /// The same twice.
    #[error("workflow {name:?} version {version} is registered twice")]
    Twice {
        /// Workflow.
        name: String,
        /// Version.
        version: String,
    },
}

/// Whether a workflow can be run here.
pub(crate) enum Found<'a> {
    Here(String, &'a Arc<dyn Workflow>),
    NoVersion,
    NoWorkflow,
}

impl Registry {
    /// Add a workflow under a semantic version.
    pub fn add(
        &mut self,
        name: &str,
        version: &str,
        workflow: Arc<dyn Workflow>,
    ) -> Result<(), RegistryError> {
        check_name("workflow", name)?;
        let parsed = Version::parse(version).map_err(|_| RegistryError::Version {
            name: name.to_owned(),
            version: version.to_owned(),
        })?;
        let versions = self.workflows.entry(name.to_owned()).or_default();
        if versions.insert(parsed, workflow).is_some() {
            return Err(RegistryError::Twice {
                name: name.to_owned(),
                version: version.to_owned(),
            });
        }
        Ok(())
    }

    /// Take in all that another has; the same workflow in the same version in both is an error.
    pub fn merge(&mut self, other: Self) -> Result<(), RegistryError> {
        for (name, versions) in other.workflows {
            for (version, workflow) in versions {
                self.add(&name, &version.to_string(), workflow)?;
            }
        }
        Ok(())
    }

    /// The workflow in this version, or in its latest.
    pub(crate) fn find(&self, name: &str, version: Option<&str>) -> Found<'_> {
        let Some(versions) = self.workflows.get(name) else {
            return Found::NoWorkflow;
        };
        let found = match version {
            None => versions.last_key_value(),
            Some(version) => Version::parse(version)
                .ok()
                .and_then(|version| versions.get_key_value(&version)),
        };
        match found {
            Some((version, workflow)) => Found::Here(version.to_string(), workflow),
            None => Found::NoVersion,
        }
    }

    /// Tell an invocation which version its next run is to be of: the latest.
    pub(crate) fn offer(&self, invocation: &mut Invocation) {
        let value = invocation.value();
        let versions = self.workflows.get(&value.workflow);
        // Of one version alone it is the one that runs.
        let several = versions.filter(|versions| versions.len() > 1);
        let latest = several.and_then(BTreeMap::last_key_value);
        let latest = latest.map(|(version, _)| version.to_string());
        invocation.offer_version(latest);
    }

    /// A workflow in exactly this version.
    #[must_use]
    pub fn get(&self, name: &str, version: &str) -> Option<&Arc<dyn Workflow>> {
        match self.find(name, Some(version)) {
            Found::Here(_, workflow) => Some(workflow),
            Found::NoVersion | Found::NoWorkflow => None,
        }
    }

    /// Names and versions, as a member tells them.
    #[must_use]
    pub fn list(&self) -> BTreeMap<String, Vec<String>> {
        let versions =
            |versions: &BTreeMap<Version, _>| versions.keys().map(ToString::to_string).collect();
        self.workflows
            .iter()
            .map(|(name, all)| (name.clone(), versions(all)))
            .collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.workflows.is_empty()
    }
}
