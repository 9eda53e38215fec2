package astraios$sandbox;

import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** Messages between the engine and its JVMs: a length and a body of that many bytes. */
final class Frames {
    /** The longest message, in bytes. */
    static final int LARGEST = 32 << 20;

    private Frames() {}

    /** A message that does not follow the protocol. */
    static final class Malformed extends IOException {
        private static final long serialVersionUID = 1;

        Malformed(String what) {
            super(what);
        }
    }

    /** Waits for the next body; null if the engine has closed its end. */
    static byte[] receive(DataInputStream in) throws IOException {
        int length;
        try {
            length = in.readInt();
        } catch (EOFException gone) {
            return null;
        }
        byte[] body = new byte[length];
        in.readFully(body);
        return body;
    }

    static void send(OutputStream out, byte[] body) throws IOException {
        ByteBuffer frame = ByteBuffer.allocate(4 + body.length);
        out.write(frame.putInt(body.length).put(body).array());
        out.flush();
    }

    static DataInputStream reader(byte[] body) {
        return new DataInputStream(new ByteArrayInputStream(body));
    }

    /** Writes a text: its length in chars, whether it is Latin-1, its chars. Lone surrogates survive. */
    static void text(DataOutputStream out, String text) throws IOException {
        boolean latin = text.chars().allMatch(c -> c < 256);
        out.writeInt(text.length());
        out.writeBoolean(latin);
        if (latin) {
            out.write(text.getBytes(StandardCharsets.ISO_8859_1));
        } else {
            out.writeChars(text);
        }
    }

    static String text(DataInputStream in) throws IOException {
        int length = in.readInt();
        boolean latin = in.readBoolean();
        if (length < 0 || (latin ? 1L : 2L) * length > in.available()) {
            throw new Malformed("length of a text");
        }
        byte[] bytes = new byte[latin ? length : 2 * length];
        in.readFully(bytes);
        if (latin) {
            return new String(bytes, StandardCharsets.ISO_8859_1);
        }
        char[] chars = new char[length];
        ByteBuffer.wrap(bytes).asCharBuffer().get(chars);
        return new String(chars);
    }

    /** Reads a text that the engine sent: its length in bytes, UTF-8. */
    static String utf8(DataInputStream in) throws IOException {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static void classes(DataOutputStream out, Map<String, byte[]> classes) throws IOException {
        out.writeInt(classes.size());
        for (Map.Entry<String, byte[]> each : classes.entrySet()) {
            text(out, each.getKey());
            out.writeInt(each.getValue().length);
            out.write(each.getValue());
        }
    }

    static Map<String, byte[]> classes(DataInputStream in) throws IOException {
        Map<String, byte[]> classes = new LinkedHashMap<>();
        for (int count = in.readInt(); count > 0; count--) {
            String name = text(in);
            byte[] code = new byte[in.readInt()];
            in.readFully(code);
            classes.put(name, code);
        }
        return classes;
    }

    /** Defines the classes of one program; its parent comes first, so classes of the JDK cannot be replaced. */
    static final class Loader extends ClassLoader {
        private final Map<String, byte[]> classes;

        Loader(ClassLoader parent, Map<String, byte[]> classes) {
            super(parent);
            this.classes = classes;
        }

        @Override
        protected Class<?> findClass(String name) throws ClassNotFoundException {
            byte[] code = classes.get(name);
            if (code == null) {
                throw new ClassNotFoundException(name);
            }
            return defineClass(name, code, 0, code.length);
        }

        /** The program's own class of that name, or null. */
        Class<?> own(String name) {
            try {
                return classes.containsKey(name) ? loadClass(name) : null;
            } catch (ClassNotFoundException | LinkageError absent) {
                return null;
            }
        }
    }
}
