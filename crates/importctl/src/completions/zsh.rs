//! For zsh(1).

use super::{HEAD, OptionRow, Value, check, operands, options, run};
use crate::verb::{Names, ROWS};
use std::fmt::Write;

const PATH: &str = "zsh/site-functions/_importctl";

/// What is asked for when somebody completes.
const START: &str = r#"
_importctl_asked() {
    asked=(${(M)given:#(-[mPSC]|--system|--user|--standalone|--class=*)})
}

_importctl_images() {
    local -a asked names
    _importctl_asked
    names=(${(f)"$(importctl --no-ask-password --json=short $asked list-images 2>/dev/null |
        sed 's/},{/}\n{/g' | sed -n 's/.*"name":"\([^"]*\)".*/\1/p')"})
    compadd "$@" -a names
}

_importctl_transfers() {
    local -a asked numbers
    _importctl_asked
    numbers=(${(f)"$(importctl --no-ask-password --json=short $asked list-transfers 2>/dev/null |
        sed 's/},{/}\n{/g' | sed -n 's/.*"id":\([0-9]*\).*/\1/p')"})
    compadd "$@" -a numbers
}

_importctl_verbs() {
    local -a verbs=(
"#;

const OPERANDS: &str = r#"    )
    _describe verb verbs
}

_importctl_operand() {
    # The words are those from the verb on.
    case $words[1],$((CURRENT - 2)) in
"#;

const END: &str = r#"    esac
}

_importctl() {
    # All words: _arguments shows what completes an operand only those from the verb on.
    local -a given=("${words[@]}")
    _arguments -s -S : \
"#;

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace(':', "\\:");
    escaped
        .replace('[', "\\[")
        .replace(']', "\\]")
        .replace('\'', "'\\''")
}

fn specification(option: &OptionRow) -> Vec<String> {
    let about = quoted(&option.about);
    let value = match option.value {
        Some(Value::OneOf(words)) => format!(":value:({})", words.join(" ")),
        Some(Value::Folder) => ":folder:_files -/".to_owned(),
        Some(Value::Host) => ":host:_hosts".to_owned(),
        Some(Value::Machine | Value::Other) => ":value: ".to_owned(),
        None => String::new(),
    };
    let takes = !value.is_empty();
    let short = option
        .short
        .map(|letter| format!("-{letter}") + if takes { "+" } else { "" });
    let long = option.long.as_ref();
    let long = long.map(|long| format!("--{long}") + if takes { "=" } else { "" });
    let names = short.into_iter().chain(long);
    names
        .map(|name| format!("'*{name}[{about}]{value}'"))
        .collect()
}

fn generate() -> String {
    let mut text = format!("#compdef importctl\n{HEAD}{START}");
    for row in ROWS {
        writeln!(text, "        '{}:{}'", row.name, quoted(row.about)).unwrap();
    }
    text += OPERANDS;
    for (verb, number, operand) in operands() {
        let action = match operand.names {
            Names::File => "_files",
            Names::Folder => "_files -/",
            Names::Image => "_importctl_images",
            Names::Transfer => "_importctl_transfers",
            Names::Other => continue,
        };
        let place = if operand.many {
            "*".to_owned()
        } else {
            number.to_string()
        };
        writeln!(text, "        {verb},{place}) {action} ;;").unwrap();
    }
    text += END;
    for line in options().iter().flat_map(specification) {
        writeln!(text, "        {line} \\").unwrap();
    }
    text + "        '1: :_importctl_verbs' '*:: :_importctl_operand'\n}\n\n_importctl \"$@\"\n"
}

#[test]
fn completions_of_zsh_are_up_to_date() {
    check(&generate(), PATH);
}

/// Types each line and a tab into an interactive zsh, and prints what stands there then. Nothing is
/// waited for but what zsh writes.
const TYPE: &str = r#"
zmodload zsh/zpty
export TERM=dumb
mkdir $HOME/functions && cp $COMPLETIONS $HOME/functions/_importctl
zpty z zsh -f -i
zpty -w z "PS1=; fpath=($HOME/functions \$fpath); autoload -U compinit; compinit -u -D"
zpty -w z 'show() { print -r -- "<"$BUFFER">" }; zle -N show; bindkey "^X" show; print REA""DY'
zpty -r z seen '*READY*'
for line in $lines; do
  zpty -w -n z $line$'\t\x18'
  zpty -r z seen '*<importctl*>*'
  seen=${seen##*<importctl }
  print -r -- "${seen%%>*}"
  zpty -w -n z $'\x15'
done
zpty -d z
"#;

#[test]
fn zsh_completes_verbs_options_values_and_what_there_is() {
    if run(&["zsh", "-f", "-c"], &generate(), "zsh -n $COMPLETIONS").is_none() {
        return;
    }
    let lines = [
        ("--class=s", "--class=sysext "),
        ("--progress=j", "--progress=json "),
        ("pull-o", "pull-oci "),
        ("-m export-tar s", "-m export-tar second\\ one "),
        ("--user export-raw ", "--user export-raw mine "),
        ("cancel-transfer 3 1", "cancel-transfer 3 14 "),
        ("export-tar first /pro", "export-tar first /proc/"),
    ];
    let typed: Vec<String> = lines
        .iter()
        .map(|(line, _)| format!("'importctl {line}'"))
        .collect();
    let script = format!("lines=({})\n{TYPE}", typed.join(" "));
    // If what is expected does not come, there is no other end.
    let printed = run(&["timeout", "60", "zsh", "-f", "-c"], &generate(), &script);
    let completed: Vec<String> = printed.unwrap().lines().map(str::to_owned).collect();
    let expected: Vec<&str> = lines.iter().map(|(_, completed)| *completed).collect();
    assert_eq!(completed, expected);
}
