//! What else a host may be asked for than plain mode: compression, and to preprocess by itself.

use diagnosis::{Finding, Machine, Status};
use hosts::HostSpec;

use crate::fault::Place;
use crate::host::{Kit, try_it, works_there};

/// The probe in the other modes. `pumps`: a build uses pump mode by itself there.
pub(crate) fn try_modes(
    kit: Kit<'_>,
    word: &str,
    spec: &HostSpec,
    place: &Place<'_>,
    pumps: bool,
    findings: &mut Vec<Finding>,
) {
    let Some(local) = works_there(kit.locals, findings) else { return };
    for (mode, options) in [("lzo", ",lzo"), ("pump", ",lzo,cpp")] {
        let check = format!("mode {mode}");
        let hosts = in_mode(spec, options);
        let tried = try_it(kit, &hosts, local, place, &check, Status::Warning);
        if mode == "lzo" || pumps {
            findings.push(tried);
            continue;
        }
        let without = kit.list.with(word, &word.replace(",cpp", ""));
        let asked = spec.pump.then_some(without.as_str());
        findings.push(pump_on_demand(tried, asked));
    }
}

/// Pump mode of a host for which a build uses it only where the list says so, as with distcc 3.4: that
/// it does not work is in the way of no build whose list does not. `asked`: the command that has the
/// list say it no more, where it does.
fn pump_on_demand(tried: Finding, asked: Option<&str>) -> Finding {
    match (tried.status == Status::Ok, asked) {
        (true, Some(_)) => tried,
        (true, None) => {
            let text = format!("{}; a build uses it where the list says HOST,lzo,cpp", tried.text);
            Finding { text, ..tried }
        }
        (false, Some(without)) => {
            tried.mended_by(Machine::This, &[without], "plain mode works there")
        }
        (false, None) => {
            let text =
                format!("it does not work, and the list does not ask for it: {}", tried.text);
            Finding::of(&tried.host, &tried.check, Status::Ok, "not-offered", text)
        }
    }
}

/// The host alone, as an entry of a list, in one mode.
pub(crate) fn in_mode(spec: &HostSpec, options: &str) -> String {
    let bare = HostSpec { compresses: false, pump: false, plain: false, ..spec.clone() };
    let options = if options.is_empty() { ",plain" } else { options };
    format!("{bare}{options}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: Status, asked: Option<&str>, expected: Status, code: &str, remedy: bool) {
        let tried = Finding::of("red", "mode pump", status, "tried", "it is so");
        let found = pump_on_demand(tried, asked);
        assert_eq!((found.status, found.code.as_str()), (expected, code));
        assert_eq!(found.remedy.is_some(), remedy);
        assert!(found.text.contains("it is so"), "{}", found.text);
    }

    #[test]
    fn pump_mode_that_does_not_work_is_told_to_whom_asks_for_it() {
        let asked = Some("export DISTCC_HOSTS=red,lzo");
        check(Status::Ok, asked, Status::Ok, "tried", false);
        check(Status::Ok, None, Status::Ok, "tried", false);
        check(Status::Warning, asked, Status::Warning, "tried", true);
        check(Status::Warning, None, Status::Ok, "not-offered", false);
    }
}
