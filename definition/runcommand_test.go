package definition_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// What runCommand makes of text that is known is worked out; what only a build can give is
// an error that says which line asks for it.
func TestRunCommand(t *testing.T) {
	const redis = `let checked = pkgs.runCommand "checked.conf" { nativeBuildInputs = [ pkgs.redis ]; } ''
		redis-server ${pkgs.writeText "a.conf" "port 1"} --check # and no more
		ln -s "${pkgs.writeText "a.conf" "port 1"}" "$out"
	''; in `
	for _, c := range []struct {
		text  string // of the definition
		files string // the generated files that are left: path, mode if it is not the default, and content
		notes string
		wrong string
	}{
		{text: redis + `{ services.custom.a = { enable = true; command = "cat ${checked}"; }; }`,
			files: "HASH-checked.conf: port 1",
			notes: `not run, since nothing of it is in the result of runCommand checked.conf: redis-server /nix2gpu/files/HASH-a.conf --check # and no more`},
		{text: `{ services.custom.a = { enable = true; command = "cat ${pkgs.runCommand "x" { inherit (pkgs) redis; who = "you"; long = "a\nb\n"; passAsFile = [ "long" ]; } ''
			set -e
			echo -n "hi \"$who\", " 'no $who' \
			  # none > $out
			cat $longPath >> ''${out}; echo "$name ${pkgs.jq}/bin/jq" >> $out
		''}"; }; }`, wrong: `not supported: pkgs.runCommand (x) builds with Nix (it is more than words and one redirection: cat $longPath >> ${out}; echo "$name /nix2gpu/packages/jq/bin/jq" >> $out)`},
		{text: `{ services.custom.a = { enable = true; command = "cat ${pkgs.runCommand "x" { who = "you"; long = "a\nb\n"; passAsFile = [ "long" ]; } ''
			echo -n "hi \"$who\", " 'no $who' > $out
			cat $longPath >> ''${out};
			echo "$name ${pkgs.jq}/bin/jq" >> $out
			chmod +x $out
		''}"; }; }`, files: "HASH-x 0755: hi \"you\",  no $whoa\nb\nx <jq>/bin/jq\n"},
		{text: `{ services.custom.a = { enable = true; command = "ls ${pkgs.runCommandLocal "d" { } ''
			mkdir -p $out/etc
			echo 1 > $out/etc/a
			cp $out/etc/a $out/b
		''}/etc"; }; }`, files: "HASH-d/b: 1\n\nHASH-d/etc/a: 1\n"},
		{text: `{ services.custom.a = { enable = true; command = "ls ${pkgs.stdenv.mkDerivation (final: {
			pname = "d"; version = "1"; conf = pkgs.writeText "a.conf" "port 1"; buildCommand = ''
				mkdir -p $out/plugins $out/etc
				ln -s $conf $out/etc/conf
				ln -s ${pkgs.redis}/bin $out/bin
				ln -s /etc/hosts $out/$name
			'';
		})}"; }; }`, files: "HASH-d-1/bin: -> <redis>/bin\nHASH-d-1/d-1: -> /etc/hosts\nHASH-d-1/etc/conf: port 1\nHASH-d-1/plugins: folder"},
		{text: `{ services.custom.a = { enable = true; command = "ls ${pkgs.linkFarm "plugins" { one = pkgs.redis; two = pkgs.writeText "a.conf" "port 1"; three = pkgs.writeTextDir "a/b" "c"; }}"; }; }`,
			files: "HASH-b/a/b: c\nHASH-plugins/one: -> <redis>\nHASH-plugins/three: -> <file HASH-b>\nHASH-plugins/two: port 1"},
		{text: `{ services.custom.a = { enable = true; command = "ls ${pkgs.linkFarm "plugins" { one = pkgs.redis; "one/bin/x" = pkgs.emptyFile; }}"; }; }`,
			wrong: `"one" of "plugins" is both a file and a folder; give one of them another name`},
		{text: `{ services.custom.a = { enable = true; command = "ls ${pkgs.runCommand "none" { } "mkdir $out"}"; }; }`, files: "HASH-none: folder"},
		{text: `{ services.custom.a = { enable = true; command = "${pkgs.runCommand "l" { } "ln -s ${pkgs.redis}/bin/redis-cli $out"} ping"; }; }`},
		{text: `{ services.custom.a = { enable = true; command = "ls ${pkgs.buildEnv { name = "conf"; paths = [ (pkgs.writeTextDir "zoo.cfg" "a") (pkgs.writeTextDir "log/x" "b") (pkgs.writeTextDir "zoo.cfg" "c") ]; }}"; }; }`,
			files: "HASH-conf/log/x: b\nHASH-conf/zoo.cfg: a"},
		// A definition with settings.processes is evaluated twice.
		{text: redis + `{ services.custom.a = { enable = true; command = "cat ${checked}"; }; settings.processes.b.command = "true"; }`,
			files: "HASH-checked.conf: port 1",
			notes: `not run, since nothing of it is in the result of runCommand checked.conf: redis-server /nix2gpu/files/HASH-a.conf --check # and no more`},
		{text: script(`echo "a\
b" 'c' d\\
# no more \
: > $out/empty
mkdir -p $out/bin $out/etc/
cp ` + "${pkgs.writeText \"y\" \"z\"}" + ` $out/bin/ # as its name
cat ` + "${pkgs.writeText \"y\" \"z\"}" + ` > $out/bin/y
chmod +x $out/bin/y
chmod u+w $out/bin/y
cp $out/bin/y $out/etc
echo -nE 1 >> $out/etc/y`),
			files: "HASH-x/bin/HASH-y: z\nHASH-x/bin/y 0755: z\nHASH-x/empty: \nHASH-x/etc/y 0755: z1"},
		{text: script(`echo a"b\
c" d\
e $none f > $out`), files: "HASH-x: abc de f\n"},

		{text: `{ services.custom.a = { enable = true; command = "cat ${pkgs.runCommand "x" { } "cat ${pkgs.php}/etc/php.ini > $out"}"; }; }`,
			wrong: `not supported: pkgs.runCommand (x) builds with Nix (it reads a file that only a build knows: cat /nix2gpu/packages/php/etc/php.ini > $out)`},
		{text: `{ services.custom.a = { enable = true; command = "cat ${pkgs.runCommand "x" { } "redis-server --help > $out"}"; }; }`,
			wrong: `not supported: pkgs.runCommand (x) builds with Nix (it runs a program that makes a part of $out: redis-server --help > $out)`},
		{text: `{ services.custom.a = { enable = true; command = "cat ${pkgs.runCommand "x" { } "echo $src > $out"}"; }; }`,
			wrong: `not supported: pkgs.runCommand (x) builds with Nix (it has a variable that only a build knows: echo $src > $out)`},
		{text: `{ services.custom.a = { enable = true; command = "cat ${pkgs.runCommand "x" { } "echo a > b"}"; }; }`,
			wrong: `not supported: pkgs.runCommand (x) builds with Nix (it writes to a place outside of $out: echo a > b)`},
		{text: `{ services.custom.a = { enable = true; command = "cat ${pkgs.runCommand "x" { } "echo 'a\nb' > $out"}"; }; }`,
			wrong: `not supported: pkgs.runCommand (x) builds with Nix (its text goes on in the next line: echo 'a)`},
		{text: `{ services.custom.a = { enable = true; command = "cat ${pkgs.runCommand "x" { } "redis-server --version"}"; }; }`,
			wrong: `not supported: pkgs.runCommand (x) builds with Nix (nothing in it makes $out)`},
		{text: `{ services.custom.a = { enable = true; command = "cat ${pkgs.buildEnv { name = "x"; paths = [ (pkgs.writeText "a" "b") (pkgs.writeText "c" "d") ]; }}"; }; }`,
			wrong: `not supported: joining anything but packages, or generated folders, into one folder (x); "/nix2gpu/files/HASH-a" is neither`},
	} {
		file := filepath.Join(folder(t, map[string]string{"nix2gpu.nix": c.text}, nil), "nix2gpu.nix")
		loaded, err := definition.Load(t.Context(), definition.Ref{Path: file}, definition.Options{System: "x86_64-linux"})
		if err != nil || c.wrong != "" {
			if got := withoutHashes(message(err)); !strings.HasPrefix(got, c.wrong) || c.wrong == "" {
				t.Errorf("%s:\n%s\nwant\n%s", c.text, got, c.wrong)
			}
			continue
		}
		var files []string
		for name, f := range loaded.Project.Files {
			mode := ""
			if f.Mode != "" {
				mode = " " + f.Mode
			}
			content := f.Content.String()
			switch {
			case f.Folder:
				content = "folder"
			case len(f.Link) > 0:
				content = "-> " + f.Link.String()
			}
			files = append(files, name+mode+": "+content)
		}
		slices.Sort(files)
		if got := withoutHashes(strings.Join(files, "\n")); got != c.files {
			t.Errorf("%s: files\n%s\nwant\n%s", c.text, got, c.files)
		}
		notes := ""
		for _, w := range loaded.Warnings {
			if notes += w.Msg; w.Pos.File() == "" || filepath.Base(w.Pos.File()) != "nix2gpu.nix" {
				t.Errorf("%s: a note at %s", c.text, w.Pos)
			}
		}
		if got := withoutHashes(notes); got != c.notes {
			t.Errorf("%s: notes\n%s\nwant\n%s", c.text, got, c.notes)
		}
	}
}

// A script that the shell would understand otherwise than by its words alone is refused.
func TestRunCommandLeavesToNix(t *testing.T) {
	for script, why := range map[string]string{
		"echo $out/bin > $out/a":                       "it writes a path that only a build knows",
		"echo $longPath > $out":                        "it writes a path that only a build knows",
		"echo $long > $out":                            "it has a variable without quotes, whose text the shell would split",
		"echo {a,b} > $out":                            "it is more than words and one redirection",
		"echo ~ > $out":                                "it is more than words and one redirection",
		"echo a > # $out":                              "it is more than words and one redirection",
		"echo -e a > $out":                             "it has a flag that changes what backslashes mean",
		"cat -n $longPath > $out":                      "it has a flag, or reads its input",
		"none=1\necho \"$none\" > $out":                "what comes after it depends on it",
		"if test -e a\nthen\necho a > $out\nfi":        "what comes after it depends on it",
		"echo a > $out\nexit 1":                        "what comes after it depends on it",
		"runHook hook\necho a > $out":                  "it has commands in a variable",
		"echo a > $out\nchmod +x b":                    "it is about a file that is not there",
		"echo a > $out\nchmod a-x $out":                "it has a mode that is not known here",
		"echo a > $out\nchmod -x $out":                 "it lacks a mode or a file",
		"echo a > $out\necho b > $out/b":               "it makes both a file and a folder of one name",
		"ln -s /etc/hosts $out\necho b > $out/b":       "$out is a link, and more is made in it",
		"ln -s /etc/hosts $out/a\ncat $out/a > $out/b": "it reads a file that only a build knows",
		"ln -s /etc/hosts $out/a\necho b >> $out/a":    "it writes to a file that only a build knows",
		"ln -s /etc/hosts $out/a\nchmod +x $out/a":     "it is about a file that is not there",
		"mkdir $out\ncp $longPath $out":                "it takes a file that only a build knows",
		"echo 'a\\\nb' > $out":                         "its text goes on in the next line",
		"echo a > $out \\":                             "the next line belongs to it",
	} {
		dir := folder(t, map[string]string{"nix2gpu.nix": `{ services.custom.a = { enable = true; command = "cat ${
			pkgs.runCommand "x" { none = ""; long = "a  b"; hook = "echo"; passAsFile = [ "long" ]; } (builtins.readFile ./script)}"; }; }`, "script": script}, nil)
		_, err := definition.Load(t.Context(), definition.Ref{Path: filepath.Join(dir, "nix2gpu.nix")}, definition.Options{System: "x86_64-linux"})
		if got := message(err); !strings.HasPrefix(got, "not supported: pkgs.runCommand (x) builds with Nix ("+why) {
			t.Errorf("%s: %s\nwant %s", script, got, why)
		}
	}
}

// script is a definition with the result of a script in a command.
func script(text string) string {
	return `{ services.custom.a = { enable = true; command = "cat ${pkgs.runCommand "x" { none = ""; } ''` + "\n" + text + `''}"; }; }`
}

// message returns the first of the errors without its place, or "".
func message(err error) string {
	if many, ok := errors.AsType[definition.Errors](err); ok {
		return many[0].Msg
	}
	return fmt.Sprint(err)
}

// withoutHashes replaces the hashes in the names of generated files.
func withoutHashes(s string) string {
	return regexp.MustCompile(`\b[0-9a-f]{8}-`).ReplaceAllString(s, "HASH-")
}
