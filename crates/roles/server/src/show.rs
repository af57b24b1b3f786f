//! `--show-compilers`: the compilers of this machine as a table, and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::whitelist::{Denied, Survey, Surveyed};

/// The table for people.
pub(crate) fn text(survey: &Survey) -> String {
    let mut rows = vec![["COMPILER", "TARGET", "FAMILY", "VERSION", "MAY RUN"].map(String::from)];
    for compiler in &survey.compilers {
        let path = shown(&compiler.path);
        let may_run = match &compiler.denied {
            None => "yes".to_owned(),
            Some(denied) => {
                let (reason, remedy) = why_not(compiler, denied);
                format!("no: {reason}; {remedy}")
            }
        };
        rows.push(match &compiler.about {
            Ok(about) => [
                path,
                about.target.clone(),
                about.family.to_string(),
                about.version.clone(),
                may_run,
            ],
            Err(why) => {
                let unknown = || "?".to_owned();
                [path, unknown(), unknown(), unknown(), format!("{may_run} ({why})")]
            }
        });
    }
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for [path, target, family, version, may_run] in &rows {
        let [a, b, c, d] = widths;
        let _ = writeln!(text, "{path:a$}  {target:b$}  {family:c$}  {version:d$}  {may_run}");
    }
    for name in &survey.missing {
        let refusal = missing(name);
        let _ = writeln!(text, "missing: {refusal}; {}", refusal.hint());
    }
    let folders: Vec<String> = survey.folders.iter().map(|folder| shown(folder)).collect();
    let _ = writeln!(text, "looked in: {}", folders.join(" "));
    text
}

/// The same for programs.
pub(crate) fn json(survey: &Survey) -> String {
    let compilers: Vec<Value> = survey.compilers.iter().map(compiler).collect();
    let missing: Vec<Value> = survey
        .missing
        .iter()
        .map(|name| {
            let refusal = missing(name);
            json!({ "name": name, "reason": refusal.to_string(), "remedy": refusal.hint() })
        })
        .collect();
    let folders: Vec<_> = survey.folders.iter().map(|folder| folder.to_string_lossy()).collect();
    format!("{}\n", json!({ "compilers": compilers, "missing": missing, "folders": folders }))
}

fn compiler(compiler: &Surveyed) -> Value {
    let about = compiler.about.as_ref().ok();
    let (reason, remedy) = compiler.denied.as_ref().map(|denied| why_not(compiler, denied)).unzip();
    json!({
        "path": compiler.path.to_string_lossy(),
        "target": about.map(|about| &about.target),
        "family": about.map(|about| about.family.name()),
        "version": about.map(|about| &about.version),
        "unknown": compiler.about.as_ref().err().map(ToString::to_string),
        "fingerprint": compiler.fingerprint,
        "allowed": compiler.denied.is_none(),
        "reason": reason,
        "remedy": remedy,
    })
}

/// Why a compiler may not run, and what mends that.
pub(crate) fn why_not(compiler: &Surveyed, denied: &Denied) -> (String, String) {
    // Shorter than for those who do not see the table.
    if let Denied::NotListed { place, remedy, .. } = denied {
        return (format!("not in {place}"), remedy.clone());
    }
    let refusal = Refusal::compiler(&shown(&compiler.path), denied, false);
    (refusal.to_string(), refusal.hint().to_owned())
}

fn missing(name: &str) -> Refusal {
    Refusal::compiler(name, &Denied::NotFound { path: name.to_owned() }, false)
}

/// A name without control characters.
fn shown(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use inventory::{About, Unknown};
    use toolchain::Family;

    fn survey() -> Survey {
        let about = About {
            target: "x86_64-linux-gnu".to_owned(),
            family: Family::Gcc,
            version: "12.2.0".to_owned(),
        };
        let gcc = Surveyed {
            path: "/usr/bin/gcc".into(),
            about: Ok(about),
            fingerprint: Some("0f".to_owned()),
            denied: None,
        };
        let odd = Surveyed {
            path: "/x/odd-\x1b-gcc".into(),
            about: Err(Unknown("it says nothing".to_owned())),
            fingerprint: None,
            denied: Some(Denied::Hidden { by: "/usr/bin/gcc".into() }),
        };
        Survey {
            compilers: vec![gcc, odd],
            missing: vec!["avr-gcc".to_owned()],
            folders: vec!["/usr/bin".into(), "/x".into()],
        }
    }

    #[test]
    fn the_table_tells_what_may_run_and_why_not() {
        let expected = "\
COMPILER           TARGET            FAMILY  VERSION  MAY RUN
/usr/bin/gcc       x86_64-linux-gnu  GCC     12.2.0   yes
/x/odd-\\u{1b}-gcc  ?                 ?       ?        no: its name means /usr/bin/gcc, which \
comes first; allow it by a name that only it has, or put its folder first in PATH (it says nothing)
missing: the compiler `avr-gcc` is allowed but not installed here; install it on the server, in a \
folder of the server's PATH
looked in: /usr/bin /x
";
        assert_eq!(text(&survey()), expected);
    }

    #[test]
    fn programs_get_the_same() {
        let value: Value = serde_json::from_str(&json(&survey())).unwrap();
        assert_eq!(value["compilers"][0]["target"], "x86_64-linux-gnu");
        assert_eq!(value["compilers"][0]["allowed"], true);
        assert_eq!(value["compilers"][0]["reason"], Value::Null);
        assert_eq!(value["compilers"][1]["allowed"], false);
        assert_eq!(value["compilers"][1]["unknown"], "it says nothing");
        assert_eq!(value["missing"][0]["name"], "avr-gcc");
        assert_eq!(value["folders"][1], "/x");
    }
}
