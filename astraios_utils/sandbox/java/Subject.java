package astraios$sandbox;

import java.io.DataInputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Map;

/**
 * Holds a sample and answers the calls of its test, which is in another JVM. Nothing here is trusted.
 *
 * <p>{@code L} and class files: the next sample, in a class loader of its own. {@code C}: a call, see {@link Wire}.
 * {@code E}: the test is over; the JVM ends as {@code java} does, when the last thread has ended that is no daemon.
 * With the argument {@code once} the sample's code runs in the JVM's main thread. Without it the JVM serves one sample
 * after the other, and the engine sends it only samples that {@link Harmless} let through.
 */
public final class Subject {
    private final DataInputStream in = new DataInputStream(new FileInputStream(FileDescriptor.in));
    private final OutputStream out = new FileOutputStream(FileDescriptor.out);

    private Subject() {}

    public static void main(String[] arguments) throws Exception {
        Judge.silence();
        Subject subject = new Subject();
        byte[] frame = Frames.receive(subject.in);
        if (arguments.length > 0 && arguments[0].equals("once")) {
            subject.serve(frame);
            return;
        }
        byte[][] next = {frame};
        while (next[0] != null) {
            Thread thread = new Thread(() -> next[0] = subject.serve(next[0]), "main");
            thread.start();
            thread.join();
        }
        Runtime.getRuntime().halt(0);
    }

    /** Serves one sample; returns the frame with the next one, or null. */
    private byte[] serve(byte[] first) {
        try {
            DataInputStream data = Frames.reader(first);
            data.readByte();
            Map<String, byte[]> classes = Frames.classes(data);
            Frames.Loader loader = new Frames.Loader(ClassLoader.getPlatformClassLoader(), classes);
            Wire wire = new Wire(in, out, loader, false);
            Thread.currentThread().setContextClassLoader(loader);
            while (true) {
                byte[] frame = Frames.receive(in);
                if (frame == null || frame[0] == 'L') {
                    return frame;
                }
                if (frame[0] == 'E') {
                    return null;
                }
                DataInputStream call = Frames.reader(frame);
                call.readByte();
                Frames.send(out, wire.serve(call));
            }
        } catch (IOException broken) {
            Runtime.getRuntime().halt(1);
            return null;
        }
    }
}
