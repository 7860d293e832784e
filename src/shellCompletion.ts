/** Tab completion in shells: a short script for each, which asks `ams __complete LINE`, so that it knows what notebooks know. */
import { complete } from "./commands/complete.js";
import type { Command } from "./commands/command.js";
import { createSession } from "./commands/session.js";
import { surroundings } from "./commands/surroundings.js";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** The word with which the scripts ask; everything behind it is the line up to the cursor, without the program's name. */
export const completeWord = "__complete";

/** One match a line, "text<tab>help", for the line that ends at the cursor. */
export function shellMatches(line: string, commands: Command[], cwd: string): string {
  const { matches } = complete(line, line.length, commands, surroundings(createSession(cwd)));
  return matches.map(({ text, help = "" }) => `${text}\t${help}`).join("\n");
}

const scripts: Record<Shell, string> = {
  // Bash completes the part of a word behind "=", the library whole words.
  bash: `# ams completion for bash: eval "$(ams completion bash)", in ~/.bashrc
_ams() {
  local line="\${COMP_LINE:0:COMP_POINT}" IFS=$'\\n'
  line="\${line#*[[:space:]]}"
  local word="\${line##*[[:space:]]}"
  COMPREPLY=($(ams ${completeWord} "$line" 2>/dev/null | cut -f 1))
  if [[ "$word" == *=* ]]; then COMPREPLY=("\${COMPREPLY[@]#"\${word%%=*}="}"); fi
  if [[ "\${#COMPREPLY[@]}" == 1 && "\${COMPREPLY[0]}" == */ ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o bashdefault -o default -F _ams ams`,
  zsh: `#compdef ams
# ams completion for zsh: eval "$(ams completion zsh)", in ~/.zshrc after compinit
_ams() {
  local -a values
  local entry
  for entry in "\${(@f)$(ams ${completeWord} "\${LBUFFER#*[[:space:]]}" 2>/dev/null)}"; do
    [[ -n "$entry" ]] && values+=("\${\${entry%%$'\\t'*}//:/\\\\:}:\${entry#*$'\\t'}")
  done
  if (( $#values )); then _describe -V ams values; else _files; fi
}
compdef _ams ams`,
  fish: `# ams completion for fish: ams completion fish > ~/.config/fish/completions/ams.fish
complete -c ams -f -a '(ams ${completeWord} (string replace -r "^\\S+\\s" "" -- (commandline -cp)) 2>/dev/null)'`,
};

export function completionScript(shell: Shell): string {
  return scripts[shell];
}
