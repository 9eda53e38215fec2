package astraios$sandbox;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Exceptions: they cross as the nearest class of the JDK, with their message and the name of their own class. */
final class Failures {
    private static final int MAX_MESSAGE = 100_000;

    private Failures() {}

    static void write(Codec.Writer to, Throwable failure) throws IOException {
        List<String> names = new ArrayList<>();
        for (Class<?> each = failure.getClass(); each != Object.class; each = each.getSuperclass()) {
            if (Containers.ofJdk(each)) {
                names.add(each.getName());
            }
        }
        Frames.text(to.out, origin(failure, to.wire));
        to.out.writeByte(names.size());
        for (String each : names) {
            Frames.text(to.out, each);
        }
        String message = message(failure);
        to.out.writeBoolean(message != null);
        Frames.text(to.out, message == null ? "" : message);
    }

    private static String message(Throwable failure) {
        String message;
        try {
            message = failure.getMessage();
        } catch (Throwable again) { // it may be the sample's own method
            return null;
        }
        return message != null && message.length() > MAX_MESSAGE ? message.substring(0, MAX_MESSAGE) : message;
    }

    static Throwable read(Codec.Reader from, Wire wire) throws IOException {
        String origin = Frames.text(from.in);
        Throwable failure = null;
        List<String> names = new ArrayList<>();
        for (int count = from.in.readUnsignedByte(); count > 0; count--) {
            names.add(Frames.text(from.in));
        }
        boolean some = from.in.readBoolean();
        String text = Frames.text(from.in);
        String message = some ? text : null;
        for (String each : names) {
            failure = failure == null ? make(each, message) : failure;
        }
        if (failure == null) {
            throw new Frames.Malformed("an exception of no known class");
        }
        wire.origins.put(failure, origin);
        return failure;
    }

    private static Throwable make(String name, String message) {
        try {
            Class<?> type = Class.forName(name, false, null);
            if (!Throwable.class.isAssignableFrom(type) || !Containers.ofJdk(type)) {
                return null;
            }
            if (type == AssertionError.class) {
                return message == null ? new AssertionError() : new AssertionError(message);
            }
            return (Throwable) (message == null ? plain(type) : type.getConstructor(String.class).newInstance(message));
        } catch (ReflectiveOperationException | RuntimeException unsuitable) {
            return null;
        }
    }

    /** The exception as one of the nearest class of the JDK, with its message, in which a name is not told. */
    static Throwable bare(Throwable failure, String hidden) {
        String message = message(failure);
        String told = message == null ? null : message.replace(hidden, "");
        Throwable made = null;
        for (Class<?> each = failure.getClass(); made == null; each = each.getSuperclass()) {
            made = Containers.ofJdk(each) ? make(each.getName(), told) : null;
        }
        return made; // of Throwable, at the latest
    }

    private static Object plain(Class<?> type) throws ReflectiveOperationException {
        try {
            return type.getConstructor().newInstance();
        } catch (NoSuchMethodException absent) {
            return type.getConstructor(String.class).newInstance((String) null);
        }
    }

    /**
     * The name of the class that the exception had where it was thrown; of what failed an initialiser, the cause's; of a
     * value that cannot be written, the reason in words. Without a wire, that of the class here.
     */
    static String origin(Throwable failure, Wire wire) {
        String known = wire == null ? null : wire.origins.get(failure);
        if (known != null) {
            return known;
        }
        Throwable cause = failure;
        while (cause instanceof ExceptionInInitializerError && cause.getCause() != null) {
            cause = cause.getCause();
        }
        if (cause instanceof Frames.Malformed) {
            return "the sample's answer cannot be sent to the test: " + cause.getMessage();
        }
        return cause.getClass().getName();
    }
}
