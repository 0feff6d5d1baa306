//! What the command line says of itself.

use shoal_tests::process::Process;
use shoal_tests::{shoal, slots};

/// Every command, as it is typed.
const COMMANDS: [&[&str]; 27] = [
    &[],
    &["run"],
    &["head"],
    &["worker"],
    &["job"],
    &["job", "submit"],
    &["job", "list"],
    &["job", "show"],
    &["job", "wait"],
    &["job", "cancel"],
    &["job", "logs"],
    &["job", "suspend"],
    &["job", "resume"],
    &["job", "priority"],
    &["job", "rerun"],
    &["state"],
    &["state", "check"],
    &["state", "export"],
    &["state", "import"],
    &["cluster"],
    &["cluster", "drain"],
    &["cluster", "explain"],
    &["sql"],
    &["simulate"],
    &["simulate", "scaling"],
    &["simulate", "trace"],
    &["completions"],
];

#[test]
fn a_cluster_on_kubernetes_takes_a_kubeconfig_and_no_url() {
    let _slots = slots::take(1);
    let ask = |arguments: &[&str]| {
        let all = [&["job", "list", "--output", "json", "--cluster", "shared"], arguments].concat();
        let mut command = shoal::command(all);
        command.env("KUBECONFIG", "/absent/kubeconfig").env_remove("KUBERNETES_SERVICE_HOST");
        Process::start(&mut command).finish().failed(2)
    };
    let failure = ask(&[]);
    assert_eq!(
        (&failure["reason"], &failure["location"]["file"]),
        (&"NotPossible".into(), &"/absent/kubeconfig".into())
    );
    assert_eq!(failure["message"], "there is no kubeconfig");
    assert!(failure["next"].as_str().unwrap().contains("KUBECONFIG"), "{failure}");
    let failure = ask(&["--head", "http://127.0.0.1:1"]);
    assert_eq!((&failure["reason"], &failure["actor"]), (&"InvalidValue".into(), &"User".into()));
}

#[test]
fn every_command_has_help_with_an_example() {
    let _slots = slots::take(1);
    for command in COMMANDS {
        let help = shoal::run([command, &["--help"]].concat());
        assert_eq!(help.code, 0, "{command:?}: {help:#?}");
        let example = ["shoal"].iter().chain(command).copied().collect::<Vec<_>>().join(" ");
        let after = help.stdout.split_once("Example").map(|(_, after)| after).unwrap_or_default();
        assert!(after.contains(&example), "{command:?} shows no example: {}", help.stdout);
    }
}

#[test]
fn no_command_is_forgotten_here() {
    let _slots = slots::take(1);
    for parent in [&[][..], &["job"], &["state"], &["cluster"], &["simulate"]] {
        let help = shoal::run([parent, &["--help"]].concat()).stdout;
        let listed = help.split_once("Commands:\n").map(|(_, after)| after).unwrap_or_default();
        let names =
            listed.lines().take_while(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next());
        for name in names.filter(|name| *name != "help") {
            let command = [parent, &[name]].concat();
            assert!(COMMANDS.contains(&command.as_slice()), "{command:?}");
        }
    }
}

#[test]
fn completions_are_there_for_every_shell() {
    let _slots = slots::take(1);
    for shell in ["bash", "zsh", "fish"] {
        let script = shoal::run(["completions", shell]);
        assert_eq!(script.code, 0, "{shell}: {script:#?}");
        assert!(script.stdout.contains("shoal") && script.stdout.contains("workers"), "{shell}: {script:#?}");
    }
}
