package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/pace"
)

// maxManifestBytes bounds what is read as a manifest.
const maxManifestBytes = 16 << 20

// Read implements Store. It goes at the pace of ctx, where that has one (trainer/model/pace).
func (d *Dir) Read(ctx context.Context, version string) (schema.Manifest, map[string][]byte, error) {
	m, err := d.manifest(version)
	if err != nil {
		return schema.Manifest{}, nil, err
	}
	p := pace.Of(ctx)
	files := make(map[string][]byte, len(m.Files))
	for _, f := range m.Files {
		if err := ctx.Err(); err != nil {
			return schema.Manifest{}, nil, fmt.Errorf("read snapshot %q: %w", version, err)
		}
		if files[f.Name], err = d.readFile(version, f.Name, f.Bytes, p); err != nil {
			return schema.Manifest{}, nil, err
		}
	}
	for i, f := range describe(files, p) { // both in the order of their names
		if f.SHA256 != m.Files[i].SHA256 {
			return schema.Manifest{}, nil, &CorruptError{Version: version, File: f.Name, Reason: fmt.Sprintf("SHA-256 %s, want %s", f.SHA256, m.Files[i].SHA256)}
		}
	}
	return m, files, nil
}

// manifest reads the manifest of a version and checks that it is of a whole snapshot of that version.
func (d *Dir) manifest(version string) (schema.Manifest, error) {
	if !IsVersion(version) {
		return schema.Manifest{}, fmt.Errorf("read snapshot %q: %w", version, ErrNotFound)
	}
	b, err := d.readFile(version, manifestName, -1, nil)
	if err != nil {
		return schema.Manifest{}, err
	}
	corrupt := func(format string, args ...any) (schema.Manifest, error) {
		return schema.Manifest{}, &CorruptError{Version: version, File: manifestName, Reason: fmt.Sprintf(format, args...)}
	}
	m, err := schema.DecodeManifest(b)
	if err != nil {
		return corrupt("%v", err)
	}
	if m.Version != version {
		return corrupt("is of version %q", m.Version)
	}
	for i, f := range m.Files {
		if err := checkName(f.Name); err != nil {
			return corrupt("%v", err)
		}
		if i > 0 && f.Name <= m.Files[i-1].Name {
			return corrupt("files are not in the order of their names at %q", f.Name)
		}
	}
	if h := hashList(m.Files); h != m.Hash || Version(m.Round, h) != version {
		return corrupt("hash %q and round %d do not fit its files, %s", m.Hash, m.Round, h)
	}
	return m, nil
}

// readFile reads one file of a snapshot, which must have that many bytes; -1 takes any size a manifest may have. Symbolic links
// out of the snapshot are not followed.
func (d *Dir) readFile(version, name string, bytes int64, p *pace.Pacer) ([]byte, error) {
	b, err := readIn(filepath.Join(d.dir, version), filepath.FromSlash(name), bytes, p)
	var size wrongSizeError
	var kind notFileError
	switch {
	case errors.As(err, &size), errors.As(err, &kind):
		return nil, &CorruptError{Version: version, File: name, Reason: err.Error()}
	case errors.Is(err, fs.ErrNotExist) && !d.exists(version): // also of a deletion since we began
		return nil, fmt.Errorf("read snapshot %q: %w", version, ErrNotFound)
	case errors.Is(err, fs.ErrNotExist):
		return nil, &CorruptError{Version: version, File: name, Reason: "is missing"}
	case err != nil:
		return nil, fmt.Errorf("read snapshot %q: %w", version, err)
	}
	return b, nil
}

// piece is how many bytes are read or hashed between two thoughts of others.
const piece = 64 << 10

// wrongSizeError is the error of a file that is not as long as its manifest says.
type wrongSizeError struct{ got, want int64 }

// Error reads "12 bytes, want 40".
func (e wrongSizeError) Error() string {
	if e.want < 0 {
		return fmt.Sprintf("%d bytes, at most %d are read", e.got, maxManifestBytes)
	}
	return fmt.Sprintf("%d bytes, want %d", e.got, e.want)
}

// notFileError is the error of a name that stands for something else than a file.
type notFileError struct{ kind fs.FileMode }

// Error reads "is a d---------, not a file".
func (e notFileError) Error() string { return fmt.Sprintf("is a %v, not a file", e.kind) }

// readIn reads a file below dir. The size is checked before anything is read: a damaged file may be huge.
func readIn(dir, name string, size int64, p *pace.Pacer) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if st, err := root.Lstat(name); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() { // opening a pipe would wait for ever
		return nil, notFileError{st.Mode().Type()}
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if size >= 0 && st.Size() != size || st.Size() > maxManifestBytes && size < 0 {
		return nil, wrongSizeError{got: st.Size(), want: size}
	}
	b := make([]byte, st.Size())
	n := 0
	for err == nil && n < len(b) {
		var got int
		got, err = io.ReadFull(f, b[n:min(n+piece, len(b))])
		n += got
		p.Did(got)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) { // it shrank under our eyes
		return nil, wrongSizeError{got: int64(n), want: st.Size()}
	}
	return b, err
}
