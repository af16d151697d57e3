package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/serve/access"
)

func newKeys(env Env) (*cobra.Command, error) {
	create, list, revoke := newKeysCreate(env), newKeysList(env), newKeysRevoke(env)
	for _, cmd := range []*cobra.Command{create, list, revoke} {
		cmd.Flags().String("file", "", "keys file; the setting serve.access.keys_file when not given")
		if err := settings(cmd, "log"); err != nil {
			return nil, err
		}
	}
	cmd := group("keys", "Make, list and revoke the API keys of a server", create, list, revoke)
	cmd.Long = "Works on the file that serve.access.keys_file names. It holds sums of the keys, never the keys. Servers see a change within a second:\n" +
		"to rotate a key create a second one of the same name, give it to its holder, and revoke the first by its id."
	return cmd, nil
}

// keysFile is the file a command works on.
func keysFile(cmd *cobra.Command, env Env) (string, error) {
	path, err := cmd.Flags().GetString("file")
	if err != nil || path != "" {
		return path, err
	}
	loaded, err := load(cmd, env, nil)
	if err != nil {
		return "", err
	}
	if path = loaded.Config.Serve.Access.KeysFile; path == "" {
		return "", errors.New("no keys file: give --file, or set serve.access.keys_file (SOFTREC_SERVE_ACCESS_KEYS_FILE)")
	}
	return path, nil
}

func newKeysCreate(env Env) *cobra.Command {
	var (
		key     access.Key
		scopes  []string
		expires time.Duration
	)
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a key and print it once", Args: cobra.ExactArgs(1),
		Long:    "Makes a key of 256 random bits, adds its sum to the keys file and prints the key. It is printed now and never again.",
		Example: "  softrec keys create shop --file keys.json --scopes read,write --rate 500 --burst 100\n  softrec keys create prometheus --file keys.json --scopes read",
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := keysFile(cmd, env)
			if err != nil {
				return err
			}
			key.Name = args[0]
			if key.Scopes, err = access.ParseScopes(scopes); err != nil {
				return err
			}
			now := time.Now()
			if expires < 0 {
				return fmt.Errorf("expires %s: want at least 0", expires)
			}
			if expires > 0 {
				key.Expires = now.Add(expires).UTC().Truncate(time.Second)
			}
			made, text, err := access.NewKey(key, now)
			if err != nil {
				return err
			}
			if err := access.Edit(path, func(f *access.File) error { f.Keys = append(f.Keys, made); return nil }); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(env.Err, "key %s of %q may %s; keep it safe, it is not shown again:\n", made.ID, made.Name, join(made.Scopes))
			_, err = fmt.Fprintln(env.Out, text)
			return err
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&scopes, "scopes", []string{string(access.Read)}, "what the key may do: read, write, admin")
	f.DurationVar(&expires, "expires", 0, "how long the key is valid, for example 2160h; 0 means for ever")
	f.Float64Var(&key.Rate, "rate", 0, "requests a second; 0 means as the server says, -1 no limit")
	f.IntVar(&key.Burst, "burst", 0, "requests at once above the rate; 0 means as the server says")
	f.Int64Var(&key.MaxBodyBytes, "max-body-bytes", 0, "largest request body; 0 means as the server says")
	return cmd
}

func newKeysList(env Env) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the keys of a file, without the keys", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		path, err := keysFile(cmd, env)
		if err != nil {
			return err
		}
		f, err := access.ReadFile(path)
		if err != nil {
			return err
		}
		return listKeys(f, time.Now(), env.Out)
	}}
}

func listKeys(f access.File, now time.Time, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ID\tNAME\tSCOPES\tRATE\tBURST\tMAX BODY\tCREATED\tEXPIRES") // errors come out at Flush
	for _, k := range f.Keys {
		expires := "never"
		if !k.Expires.IsZero() {
			expires = k.Expires.UTC().Format(time.RFC3339)
			if !now.Before(k.Expires) {
				expires += " (expired)"
			}
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, join(k.Scopes), orServer(k.Rate), orServer(k.Burst), orServer(k.MaxBodyBytes),
			k.Created.UTC().Format(time.RFC3339), expires)
	}
	return w.Flush()
}

// orServer writes a bound, or "server" where the server's own holds.
func orServer[T int | int64 | float64](v T) string {
	switch {
	case v == 0:
		return "server"
	case v < 0:
		return "none"
	default:
		return fmt.Sprint(v)
	}
}

func newKeysRevoke(env Env) *cobra.Command {
	return &cobra.Command{Use: "revoke ID|NAME", Short: "Revoke a key by its id, or all keys of a name", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		path, err := keysFile(cmd, env)
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil { // Edit would make an empty file
			return err
		}
		var gone []access.Key
		if err := access.Edit(path, func(f *access.File) error {
			if gone = f.Revoke(args[0]); len(gone) == 0 {
				return fmt.Errorf("%s has no key with the id or name %q", path, args[0])
			}
			return nil
		}); err != nil {
			return err
		}
		for _, k := range gone {
			_, _ = fmt.Fprintf(env.Out, "revoked: %s of %q\n", k.ID, k.Name)
		}
		return nil
	}}
}

func join(scopes []access.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, ",")
}
