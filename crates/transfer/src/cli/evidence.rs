//! Options about what a download must prove, and which files come with it.
//!
//! They act in the order in which they are given, as in the reference: a digest and `--direct`
//! switch off all companion files that were switched on before, `--roothash=no` the signature too.

use super::values::switch;
use crate::error::{Error, Result};
use crate::pull::companions::Companion;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};
use importd_api::failure::Kind;
use importd_api::name::Form;
use importd_api::verify::Verify;

/// The identifier of `--direct` among the parsed options.
const DIRECT: &str = "direct";

/// The options as clap defines them; their values are read in the order of all options.
#[derive(clap::Args)]
struct Typed {
    /// What to prove: no, checksum, signature, or a SHA-256 or SHA-512 digest
    #[arg(long, value_name = "MODE", default_value = "signature", action = ArgAction::Append)]
    verify: Vec<String>,
    /// Fetch the settings file (.nspawn) too (default: yes for machines)
    #[arg(long, value_name = "BOOL", action = ArgAction::Append)]
    settings: Vec<String>,
    /// Fetch the root hash (.roothash) of a disk image too (default: yes)
    #[arg(long, value_name = "BOOL", action = ArgAction::Append)]
    roothash: Vec<String>,
    /// Fetch the signature (.roothash.p7s) of the root hash too (default: yes)
    #[arg(long, value_name = "BOOL", action = ArgAction::Append)]
    roothash_signature: Vec<String>,
    /// Fetch the verity data (.verity) of a disk image too (default: yes)
    #[arg(long, value_name = "BOOL", action = ArgAction::Append)]
    verity: Vec<String>,
}

/// One option that was given.
#[derive(Clone, Debug)]
enum Step {
    Verify(String),
    Direct,
    Fetch(Companion, String),
}

/// The options, in the order in which they were given.
#[derive(Clone, Debug)]
pub(super) struct EvidenceOptions {
    steps: Vec<Step>,
}

/// What they come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    /// What must be proven.
    pub(super) verify: Verify,
    /// What comes with the image, in the order of [`Companion::ALL`].
    pub(super) companions: Vec<Companion>,
}

impl EvidenceOptions {
    /// Obeys one option after the other.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for the first value that is none.
    pub(super) fn resolve(&self, is_machine: bool) -> Result<Evidence> {
        let mut verify = Verify::Signature;
        let mut wanted = Companion::ALL.to_vec();
        wanted.retain(|one| is_machine || *one != Companion::Settings);
        for step in &self.steps {
            match step {
                Step::Verify(text) => {
                    verify = Verify::parse(text)
                        .map_err(|error| Error::new(Kind::InvalidArgument, error.to_string()))?;
                    if matches!(verify, Verify::Digest(_)) {
                        wanted.clear();
                    }
                }
                Step::Direct => wanted.clear(),
                Step::Fetch(companion, value) => {
                    let on = switch(companion.option(), Some(value), false)?;
                    let without_hash = *companion == Companion::Roothash && !on;
                    wanted.retain(|one| {
                        let is_signature = *one == Companion::RoothashSignature;
                        one != companion && !(without_hash && is_signature)
                    });
                    if on {
                        wanted.push(*companion);
                    }
                }
            }
        }
        wanted.sort_unstable();
        Ok(Evidence {
            verify,
            companions: wanted,
        })
    }
}

impl EvidenceOptions {
    /// What `--verify=` demands, if it was given.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`] for a value that is none.
    pub(super) fn demanded(&self) -> Result<Option<Verify>> {
        let last = self.steps.iter().rev().find_map(|step| match step {
            Step::Verify(text) => Some(text),
            Step::Direct | Step::Fetch(..) => None,
        });
        let verify = last.map(|text| Verify::parse(text)).transpose();
        verify.map_err(|error| Error::new(Kind::InvalidArgument, error.to_string()))
    }
}

impl Evidence {
    /// Refuses companion files where there can be none.
    ///
    /// # Errors
    /// [`Kind::InvalidArgument`].
    pub(super) fn check(&self, direct: bool) -> Result<()> {
        let Some(first) = self.companions.first() else {
            return Ok(());
        };
        let option = first.option();
        let text = if matches!(self.verify, Verify::Digest(_)) {
            format!(
                "Literal checksum verification only supported if no associated files are \
                 downloaded: leave out --{option}=yes"
            )
        } else if direct {
            format!(
                "With --direct no associated files are downloaded: leave out --{option}=yes, or \
                 --direct"
            )
        } else {
            return Ok(());
        };
        Err(Error::new(Kind::InvalidArgument, text))
    }

    /// Without what images of this form do not have.
    pub(super) fn of(mut self, form: Form) -> Self {
        self.companions.retain(|one| one.belongs_to(form));
        self
    }
}

impl clap::Args for EvidenceOptions {
    fn augment_args(command: Command) -> Command {
        Typed::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Typed::augment_args_for_update(command)
    }
}

impl clap::FromArgMatches for EvidenceOptions {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut steps = given(matches, "verify", Step::Verify);
        for companion in Companion::ALL {
            let id = companion.option().replace('-', "_");
            steps.extend(given(matches, &id, |value| Step::Fetch(companion, value)));
        }
        if matches.value_source(DIRECT) == Some(ValueSource::CommandLine) {
            steps.extend(matches.index_of(DIRECT).map(|index| (index, Step::Direct)));
        }
        steps.sort_by_key(|(index, _)| *index);
        let steps = steps.into_iter().map(|(_, step)| step).collect();
        Ok(Self { steps })
    }

    fn update_from_arg_matches(
        &mut self,
        matches: &ArgMatches,
    ) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of an option that was given, and where it stood.
fn given(matches: &ArgMatches, id: &str, step: impl Fn(String) -> Step) -> Vec<(usize, Step)> {
    if matches.value_source(id) != Some(ValueSource::CommandLine) {
        return Vec::new();
    }
    let indices = matches.indices_of(id).into_iter().flatten();
    let values = matches.get_many::<String>(id).into_iter().flatten();
    indices
        .zip(values.map(|value| step(value.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Companion::{Roothash, RoothashSignature, Settings, Verity};
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    #[command(args_override_self = true)]
    struct Line {
        #[command(flatten)]
        evidence: EvidenceOptions,
        #[arg(long)]
        direct: bool,
    }

    fn resolved(line: &str) -> Result<Evidence> {
        let line = Line::try_parse_from(["x"].into_iter().chain(line.split_whitespace())).unwrap();
        let evidence = line.evidence.resolve(true)?;
        evidence.check(line.direct)?;
        Ok(evidence)
    }

    #[test]
    fn options_act_in_the_order_in_which_they_are_given() {
        let digest = "ab".repeat(32);
        for (line, companions) in [
            ("", &[Settings, Roothash, RoothashSignature, Verity][..]),
            ("--settings=no", &[Roothash, RoothashSignature, Verity]),
            ("--roothash=no", &[Settings, Verity]),
            (
                "--roothash=no --roothash=yes",
                &[Settings, Roothash, Verity],
            ),
            (
                "--roothash-signature=yes --roothash=no",
                &[Settings, Verity],
            ),
            (
                "--roothash=no --roothash-signature=yes",
                &[Settings, RoothashSignature, Verity],
            ),
            (
                "--verity=0 --verity no",
                &[Settings, Roothash, RoothashSignature],
            ),
            ("--settings=yes --direct", &[]),
            ("--direct --verify=no --settings=no", &[]),
            (&format!("--verity=yes --verify={digest}"), &[]),
            (&format!("--verify={digest} --settings=no"), &[]),
            (
                &format!("--verify={digest} --verify=checksum --verity=yes"),
                &[Verity],
            ),
        ] {
            assert_eq!(resolved(line).unwrap().companions, companions, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_together_is_refused() {
        let digest = "ab".repeat(32);
        for (line, text) in [
            (format!("--verify={digest} --settings=yes"), "Literal"),
            (
                format!("--direct --verify={digest} --verity=1"),
                "--verity=yes",
            ),
            ("--direct --settings=yes".into(), "--direct"),
            ("--settings=maybe".into(), "'--settings=': maybe"),
            ("--verify=abc".into(), "3"),
        ] {
            let error = resolved(&line).unwrap_err();
            assert_eq!(error.kind, Kind::InvalidArgument, "{line}");
            assert!(error.doing.contains(text), "{line}: {}", error.doing);
        }
    }

    #[test]
    fn trees_have_settings_only_and_those_of_machines_alone_are_fetched_unasked() {
        let line = Line::try_parse_from(["x"]).unwrap();
        let evidence = line.evidence.resolve(false).unwrap();
        assert_eq!(evidence.of(Form::Tar).companions, []);
        let evidence = resolved("").unwrap().of(Form::Tar);
        assert_eq!(evidence.companions, [Settings]);
    }
}
