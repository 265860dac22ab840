//! For fish(1).

use super::{HEAD, Value, check, operands, options, run};
use crate::verb::{Names, ROWS};
use std::fmt::Write;

const PATH: &str = "fish/vendor_completions.d/importctl.fish";

/// What is asked for when somebody completes, and how many arguments stand before the cursor.
const START: &str = r#"
function __importctl_asked
    for word in (commandline -opc)
        string match -r -- '^(-[mPSC]|--system|--user|--standalone|--class=.*)$' $word | head -n 1
    end
end

function __importctl_images
    importctl --no-ask-password --json=short (__importctl_asked) list-images 2>/dev/null |
        string replace -a '},{' \n | string match -rg '"name":"([^"]*)"'
end

function __importctl_transfers
    importctl --no-ask-password --json=short (__importctl_asked) list-transfers 2>/dev/null |
        string replace -a '},{' \n | string match -rg '"id":([0-9]+)'
end

function __importctl_words
    set -l words (commandline -opc)
    set -e words[1]
    argparse -i OPTIONS -- $words 2>/dev/null
    string match -v -- '-*' $argv
end

function __importctl_no_verb
    test (count (__importctl_words)) -eq 0
end

function __importctl_at
    set -l words (__importctl_words)
    test (count $words) -gt 0; and test "$words[1]" = $argv[1]
    and begin; test $argv[2] = any; or test (count $words) -eq (math $argv[2] + 1); end
end

complete -c importctl -f
"#;

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn generate() -> String {
    let options = options();
    let specification = options.iter().filter(|option| option.value.is_some());
    let specification = specification.map(|option| {
        let value = match (option.short, &option.long) {
            (Some(short), Some(long)) => format!("{short}/{long}"),
            (Some(short), None) => short.to_string(),
            (None, long) => long.clone().unwrap_or_default(),
        };
        format!("{value}=+")
    });
    let specification: Vec<String> = specification.collect();
    let mut text = HEAD.to_owned() + &START.replace("OPTIONS", &specification.join(" "));
    for option in &options {
        text += "complete -c importctl";
        if let Some(short) = option.short {
            write!(text, " -s {short}").unwrap();
        }
        if let Some(long) = &option.long {
            write!(text, " -l {long}").unwrap();
        }
        match option.value {
            Some(Value::OneOf(words)) => write!(text, " -x -a {}", quoted(&words.join(" "))),
            Some(Value::Folder) => write!(text, " -x -a '(__fish_complete_directories)'"),
            Some(Value::Host) => write!(text, " -x -a '(__fish_print_hostnames)'"),
            Some(Value::Machine | Value::Other) => write!(text, " -x"),
            None => Ok(()),
        }
        .unwrap();
        writeln!(text, " -d {}", quoted(&option.about)).unwrap();
    }
    for row in ROWS {
        let about = quoted(row.about);
        let line = format!(
            "complete -c importctl -n __importctl_no_verb -a {} -d {about}",
            row.name
        );
        writeln!(text, "{line}").unwrap();
    }
    for (verb, number, operand) in operands() {
        let what = match operand.names {
            Names::File => "-F",
            Names::Folder => "-a '(__fish_complete_directories)'",
            Names::Image => "-a '(__importctl_images)'",
            Names::Transfer => "-a '(__importctl_transfers)'",
            Names::Other => continue,
        };
        let place = if operand.many {
            "any".to_owned()
        } else {
            number.to_string()
        };
        let condition = format!("'__importctl_at {verb} {place}'");
        writeln!(text, "complete -c importctl -n {condition} {what}").unwrap();
    }
    text
}

#[test]
fn completions_of_fish_are_up_to_date() {
    check(&generate(), PATH);
}

#[test]
fn fish_offers_verbs_options_values_and_what_there_is() {
    for (line, expected) in [
        (
            "importctl pull-",
            ["pull-tar", "pull-raw", "pull-oci"].as_slice(),
        ),
        ("importctl --class=s", &["--class=sysext"]),
        (
            "importctl -m export-tar ",
            &["first", "second one", "$(touch evil)"],
        ),
        ("importctl --user --verify no export-raw ", &["mine"]),
        ("importctl cancel-transfer 3 1", &["14"]),
        ("importctl pull-tar ", &[]),
    ] {
        let script = format!("source $COMPLETIONS\ncomplete -C '{line}'");
        let Some(printed) = run(&["fish", "--no-config", "-c"], &generate(), &script) else {
            return;
        };
        let mut offered: Vec<&str> = printed
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect();
        offered.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(offered, expected, "{line}");
    }
}
