use super::*;
use clap::CommandFactory as _;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_says_what_it_is_for() {
    fn visit(command: &clap::Command) {
        assert!(command.get_about().is_some_and(|about| !about.to_string().is_empty()), "{}", command.get_name());
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
        command.get_subcommands().for_each(visit);
    }
    visit(&Cli::command());
}

#[test]
fn a_program_of_run_keeps_its_own_flags() {
    let cli = Cli::try_parse_from(["sluicegate", "run", "--", "app", "--json", "-v"]).unwrap();
    let Some(Command::Run(run)) = cli.command else { panic!("not run") };
    assert_eq!(run.command, ["app", "--json", "-v"]);
    assert_eq!(cli.verbose, 0);
}
