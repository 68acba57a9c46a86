"""Counts a program's kernel launches and copies on Mesa's software Vulkan driver (lavapipe), which logs every call.

  python3 benches/launches.py electra finetune --data-dir D --model-name M --device gpu ...

Prints one line of JSON: kernels launched, bytes of the buffers bound to them (an upper bound on what they can read or
write), copies between buffers and their bytes. The cost of one layer in one step is a difference of four runs: with two
layers and one, and with three steps and two. The trace is read through a pipe, because as a file it would fill the disk.
"""
import json, os, re, subprocess, sys, tempfile, threading

CALL = re.compile(r"<call no='\d+' class='\w+' method='(\w+)'>")
BUFFER_SIZE = re.compile(r"<member name='buffer_size'><uint>(\d+)</uint>")
WIDTH = re.compile(r"<member name='width'><int>(\d+)</int>")


def main():
    with tempfile.TemporaryDirectory() as folder:
        pipe = os.path.join(folder, "trace")
        os.mkfifo(pipe)
        # Keep a writer open: the driver opens and closes the pipe several times.
        hold = os.open(pipe, os.O_RDWR)
        program = subprocess.Popen(sys.argv[1:], env=dict(os.environ, GALLIUM_TRACE=pipe), stdout=sys.stderr)

        def end():
            program.wait()
            os.write(hold, b"\n<<END>>\n")

        threading.Thread(target=end, daemon=True).start()
        counts = {"launches": 0, "bytes_bound": 0, "copies": 0, "bytes_copied": 0}
        bound, method = 0, None
        with os.fdopen(os.dup(hold), errors="replace") as trace:
            for line in trace:
                if line.startswith("<<END>>"):
                    break
                call = CALL.search(line)
                if call:
                    method = call[1]
                    if method == "set_shader_buffers":
                        bound = 0
                    elif method == "launch_grid":
                        counts["launches"] += 1
                        counts["bytes_bound"] += bound
                    elif method == "resource_copy_region":
                        counts["copies"] += 1
                if method == "set_shader_buffers":
                    bound += sum(map(int, BUFFER_SIZE.findall(line)))
                elif method == "resource_copy_region":
                    counts["bytes_copied"] += sum(map(int, WIDTH.findall(line)))
        print(json.dumps(counts))
        return program.returncode


if __name__ == "__main__":
    sys.exit(main())
