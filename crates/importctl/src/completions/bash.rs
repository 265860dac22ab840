//! For bash(1).

use super::{HEAD, OptionRow, SCOPE_OPTIONS, Value, check, operands, options, run};
use crate::verb::{Names, ROWS};
use std::fmt::Write;

const PATH: &str = "bash-completion/completions/importctl";

/// What is asked for when somebody completes, and the words before the cursor taken apart: the verb,
/// the number of its arguments before, and the options that decide what is asked for. Bash cuts
/// words at `=` and `:`, so that both are put together again.
const START: &str = r#"
_importctl_images() {
    importctl --no-ask-password --json=short "$@" list-images 2>/dev/null |
        sed 's/},{/}\n{/g' | sed -n 's/.*"name":"\([^"]*\)".*/\1/p'
}

_importctl_transfers() {
    importctl --no-ask-password --json=short "$@" list-transfers 2>/dev/null |
        sed 's/},{/}\n{/g' | sed -n 's/.*"id":\([0-9]*\).*/\1/p'
}

# Not compgen -W, which would expand what stands in the names of images.
_importctl_reply() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        [[ -n $word ]] || continue
        printf -v word %q "$word"
        [[ $word != "$cur"* ]] || COMPREPLY+=("$word")
    done <<<"$1"
}

_importctl() {
    local cur=$2 prev=$3 verb='' count=0 i=1
    local -a asked=()
    if [[ $cur == = ]]; then
        cur='' prev=${COMP_WORDS[COMP_CWORD - 1]}
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    while ((i < COMP_CWORD)); do
        case ${COMP_WORDS[i]} in
"#;

/// One arm for each kind of word, then what is to be completed.
const WORDS: &str = r#"                [[ ${COMP_WORDS[i + 1]} != = ]] || ((i++))
                ((i++))
                [[ ${COMP_WORDS[i - 1]} != --class && ${COMP_WORDS[i - 2]} != --class ]] ||
                    asked+=("--class=${COMP_WORDS[i]}")
                ;;
            :) ((i++)) ;;
            SCOPES) asked+=("${COMP_WORDS[i]}") ;;
            -?*) ;;
            *) if [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; else ((count++)); fi ;;
        esac
        ((i++))
    done
    case $prev in
"#;

fn generate() -> String {
    let options = options();
    let names = |keep: &dyn Fn(&OptionRow) -> bool| -> Vec<String> {
        let kept = options.iter().filter(|option| keep(option));
        kept.flat_map(OptionRow::names).collect()
    };
    let mut text = HEAD.to_owned() + START;
    let with_value = names(&|option| option.value.is_some()).join("|");
    writeln!(text, "            {with_value})").unwrap();
    text += &WORDS.replace("SCOPES", &SCOPE_OPTIONS.join("|"));
    let is_free = |option: &OptionRow| matches!(option.value, Some(Value::Machine | Value::Other));
    let listed = options
        .iter()
        .filter(|option| option.value.is_some() && !is_free(option));
    for option in listed {
        let reply = match option.value {
            Some(Value::OneOf(words)) => format!("_importctl_reply $'{}'", words.join("\\n")),
            Some(Value::Folder) => "compopt -o dirnames".to_owned(),
            Some(Value::Host) => "COMPREPLY=($(compgen -A hostname -- \"$cur\"))".to_owned(),
            Some(Value::Machine | Value::Other) | None => ":".to_owned(),
        };
        let names = option.names().join("|");
        writeln!(text, "        {names}) {reply}; return ;;").unwrap();
    }
    writeln!(text, "        {}) return ;;", names(&is_free).join("|")).unwrap();
    text += "    esac\n    if [[ $cur == -* ]]; then\n";
    let all = names(&|_| true).join("\\n");
    writeln!(
        text,
        "        _importctl_reply $'{all}'\n        return\n    fi"
    )
    .unwrap();
    let verbs: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    text += "    case $verb,$count in\n";
    writeln!(
        text,
        "        ,*) _importctl_reply $'{}' ;;",
        verbs.join("\\n")
    )
    .unwrap();
    for (verb, number, operand) in operands() {
        let reply = match operand.names {
            Names::File => "compopt -o default",
            Names::Folder => "compopt -o dirnames",
            Names::Image => "_importctl_reply \"$(_importctl_images \"${asked[@]}\")\"",
            Names::Transfer => "_importctl_reply \"$(_importctl_transfers \"${asked[@]}\")\"",
            Names::Other => continue,
        };
        let place = if operand.many {
            "*".to_owned()
        } else {
            number.to_string()
        };
        writeln!(text, "        {verb},{place}) {reply} ;;").unwrap();
    }
    text + "    esac\n}\n\ncomplete -F _importctl importctl\n"
}

#[test]
fn completions_of_bash_are_up_to_date() {
    check(&generate(), PATH);
}

/// What bash offers with the cursor behind these words, which are cut as bash cuts them.
fn offered(words: &[&str]) -> Option<Vec<String>> {
    let list: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "compopt() {{ COMPREPLY=(\"compopt $*\"); }}\nsource \"$COMPLETIONS\"\nCOMP_WORDS=(importctl {})\n\
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         _importctl importctl \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        list.join(" ")
    );
    let printed = run(&["bash", "--norc", "-c"], &generate(), &script)?;
    let lines = printed.lines().filter(|line| !line.is_empty());
    Some(lines.map(str::to_owned).collect())
}

#[test]
fn bash_offers_verbs_options_values_and_what_there_is() {
    for (words, expected) in [
        (
            ["pull-"].as_slice(),
            ["pull-tar", "pull-raw", "pull-oci"].as_slice(),
        ),
        (&["--verif"], &["--verify"]),
        (&["--class", "=", "s"], &["sysext"]),
        (
            &["--class", "="],
            &["machine", "portable", "sysext", "confext"],
        ),
        (&["--verify", "c"], &["checksum"]),
        (
            &["-m", "export-tar", ""],
            &["first", "second\\ one", "\\$\\(touch\\ evil\\)"],
        ),
        (
            &["--user", "--class", "=", "machine", "export-raw", ""],
            &["mine"],
        ),
        (&["export-tar", "first", ""], &["compopt -o default"]),
        (&["import-fs", ""], &["compopt -o dirnames"]),
        (&["cancel-transfer", ""], &["3", "14"]),
        (&["cancel-transfer", "3", "1"], &["14"]),
        (
            &["verify", "http", ":", "//h/a", ""],
            &["compopt -o default"],
        ),
        (&["pull-tar", ""], &[]),
    ] {
        let Some(offered) = offered(words) else {
            return;
        };
        assert_eq!(offered, expected, "{words:?}");
    }
}
