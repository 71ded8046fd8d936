"""`labctl completion`: what a shell needs to complete verbs, options, jobs and aliases."""

from __future__ import annotations

import click


@click.command(short_help="What your shell needs to complete labctl's words.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete verbs, options, jobs and aliases.

    \b
    bash:  eval "$(labctl completion bash)"   in ~/.bashrc
    zsh:   eval "$(labctl completion zsh)"    in ~/.zshrc
    fish:  labctl completion fish > ~/.config/fish/completions/labctl.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # click knows the three
    group = context.find_root().command
    click.echo(kind(group, {}, "labctl", "_LABCTL_COMPLETE").source())
