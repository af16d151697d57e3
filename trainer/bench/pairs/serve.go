package pairs

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Serve is the contestant's side of the conversation: it says that it is ready and then answers line after line of in with
// what handle returns for it, or with its error, until in ends.
func Serve(about string, in io.Reader, out io.Writer, handle func(question []byte) (any, error)) error {
	send := json.NewEncoder(out)
	if err := send.Encode(hello{Ready: about}); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		answer, err := handle(lines.Bytes())
		if err != nil {
			answer = hello{Error: err.Error()}
		}
		if err := send.Encode(answer); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read questions: %w", err)
	}
	return nil
}
