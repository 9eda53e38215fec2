package astraios$sandbox;

import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Decides from class files alone whether a program may share a JVM with the programs after it.
 *
 * <p>Verified bytecode can act only through the members it names in its constant pools. A program is harmless if every
 * member it names belongs to itself or to the list below, which has no reflection, no threads, no files, no class
 * loaders, no process-wide settings and no way to keep a value beyond the program's own class loader; if it has no
 * finalizer and no native method; and if it cannot catch an Error (a StackOverflowError caught inside a JDK class's
 * initialiser would leave that class broken for others). All other programs get a JVM of their own: being absent from
 * this list costs time, never a verdict.
 */
final class Harmless {
    private static final Set<String> PACKAGES = words(
            "java/util/ java/util/function/ java/util/stream/ java/util/regex/ java/math/ java/time/ java/time/format/ "
                    + "java/time/temporal/ java/text/ java/util/concurrent/atomic/");

    private static final Set<String> NOT = words(
            "java/util/ServiceLoader java/util/Timer java/util/TimerTask java/util/Formatter java/util/ResourceBundle "
                    + "java/util/PropertyResourceBundle java/util/ListResourceBundle java/util/Properties "
                    + "java/util/TimeZone java/util/stream/StreamSupport");

    private static final Set<String> CLASSES = words(
            "java/lang/Object java/lang/String java/lang/StringBuilder java/lang/StringBuffer java/lang/CharSequence "
                    + "java/lang/Character java/lang/Integer java/lang/Long java/lang/Short java/lang/Byte "
                    + "java/lang/Double java/lang/Float java/lang/Boolean java/lang/Number java/lang/Math "
                    + "java/lang/StrictMath java/lang/Comparable java/lang/Iterable java/lang/Enum java/lang/Record "
                    + "java/lang/Cloneable java/lang/AutoCloseable java/lang/Throwable java/lang/Exception "
                    + "java/lang/RuntimeException java/lang/Error java/lang/AssertionError "
                    + "java/lang/IllegalArgumentException java/lang/IllegalStateException "
                    + "java/lang/IndexOutOfBoundsException java/lang/ArrayIndexOutOfBoundsException "
                    + "java/lang/StringIndexOutOfBoundsException java/lang/NullPointerException "
                    + "java/lang/NumberFormatException java/lang/ArithmeticException java/lang/ClassCastException "
                    + "java/lang/UnsupportedOperationException java/lang/CloneNotSupportedException "
                    + "java/lang/NegativeArraySizeException java/lang/MatchException java/lang/NoSuchFieldError "
                    + "java/io/Serializable java/io/IOException java/lang/annotation/Annotation "
                    + "java/lang/FunctionalInterface java/lang/Deprecated java/lang/Override "
                    + "java/util/concurrent/CopyOnWriteArrayList java/util/concurrent/ThreadLocalRandom "
                    + "java/security/MessageDigest java/security/NoSuchAlgorithmException "
                    + "java/nio/charset/StandardCharsets java/nio/charset/Charset "
                    + "java/lang/invoke/LambdaMetafactory java/lang/invoke/StringConcatFactory "
                    + "java/lang/runtime/ObjectMethods java/lang/runtime/SwitchBootstraps");

    /** Single members of classes that otherwise stay out, as class.member. */
    private static final Set<String> MEMBERS = words(
            "java/lang/System.out java/lang/System.err java/lang/System.in java/lang/System.currentTimeMillis "
                    + "java/lang/System.nanoTime java/lang/System.arraycopy java/lang/System.identityHashCode "
                    + "java/lang/System.lineSeparator java/io/PrintStream.println java/io/PrintStream.print "
                    + "java/io/PrintStream.printf java/io/PrintStream.format java/io/PrintStream.flush "
                    + "java/lang/Class.getSimpleName java/lang/Class.getName java/lang/Class.isInstance "
                    + "java/lang/Class.desiredAssertionStatus");

    /** Members that stay out wherever they belong: other threads, process-wide settings, files. */
    private static final Set<String> NEVER = words(
            "parallelStream parallel parallelSort parallelPrefix parallelSetAll setDefault wait notify notifyAll "
                    + "finalize");

    private static final Set<String> UNCATCHABLE = words(
            "java/lang/Throwable java/lang/Error java/lang/VirtualMachineError java/lang/StackOverflowError "
                    + "java/lang/OutOfMemoryError java/lang/InternalError java/lang/UnknownError java/lang/LinkageError "
                    + "java/lang/NoClassDefFoundError java/lang/ExceptionInInitializerError java/lang/ThreadDeath");

    private Harmless() {}

    private static Set<String> words(String text) {
        return new HashSet<>(Arrays.asList(text.split(" ")));
    }

    /** True if all the program's classes, by name, are harmless together. */
    static boolean all(Map<String, byte[]> classes) throws IOException {
        for (byte[] code : classes.values()) {
            if (!new ClassFile(code).harmless(classes.keySet())) {
                return false;
            }
        }
        return true;
    }

    private static boolean mayUse(String owner, String member, Set<String> own) {
        if (owner.startsWith("[")) {
            return true; // an array's only member is clone
        }
        if (NEVER.contains(member)) {
            return false;
        }
        if (own.contains(owner) || MEMBERS.contains(owner + "." + member)) {
            return true;
        }
        return listed(owner);
    }

    private static boolean listed(String name) {
        int nested = name.indexOf('$');
        String outer = nested < 0 ? name : name.substring(0, nested);
        boolean known = PACKAGES.contains(outer.substring(0, outer.lastIndexOf('/') + 1)) || CLASSES.contains(outer);
        return known && !NOT.contains(outer);
    }

    /** The parts of a class file (JVM specification, chapter 4) that the decision needs. */
    private static final class ClassFile {
        final int[] tags;
        final int[] first;
        final int[] second;
        final String[] text;
        private final DataInputStream in;

        ClassFile(byte[] code) throws IOException {
            in = new DataInputStream(new ByteArrayInputStream(code));
            in.skipBytes(8);
            int count = in.readUnsignedShort();
            tags = new int[count];
            first = new int[count];
            second = new int[count];
            text = new String[count];
            for (int i = 1; i < count; i++) {
                tags[i] = in.readUnsignedByte();
                readConstant(i);
                if (tags[i] == 5 || tags[i] == 6) {
                    i++; // long and double take two entries
                }
            }
        }

        private void readConstant(int i) throws IOException {
            switch (tags[i]) {
                case 1:
                    text[i] = in.readUTF();
                    break;
                case 3: case 4: // int, float
                    in.skipBytes(4);
                    break;
                case 5: case 6: // long, double
                    in.skipBytes(8);
                    break;
                case 7: case 8: case 16: case 19: case 20: // class, string, method type, module, package
                    first[i] = in.readUnsignedShort();
                    break;
                case 9: case 10: case 11: case 12: case 17: case 18: // members, name and type, dynamic
                    first[i] = in.readUnsignedShort();
                    second[i] = in.readUnsignedShort();
                    break;
                case 15: // method handle: kind and a member that has its own entry
                    in.skipBytes(3);
                    break;
                default:
                    throw new IOException("unknown constant " + tags[i]);
            }
        }

        String className(int index) {
            return text[first[index]];
        }

        boolean harmless(Set<String> own) throws IOException {
            for (int i = 1; i < tags.length; i++) {
                if (tags[i] >= 9 && tags[i] <= 11 && !mayUse(className(first[i]), text[first[second[i]]], own)) {
                    return false;
                }
            }
            in.skipBytes(4);
            boolean parents = known(in.readUnsignedShort(), own);
            for (int count = in.readUnsignedShort(); count > 0; count--) {
                parents &= known(in.readUnsignedShort(), own);
            }
            return parents && members(false) && members(true);
        }

        private boolean known(int index, Set<String> own) {
            return own.contains(className(index)) || listed(className(index));
        }

        /** Reads the fields or the methods; false if one is native, a finalizer, or catches an Error. */
        private boolean members(boolean methods) throws IOException {
            boolean fine = true;
            for (int count = in.readUnsignedShort(); count > 0; count--) {
                int flags = in.readUnsignedShort();
                String name = text[in.readUnsignedShort()];
                in.skipBytes(2);
                fine &= !methods || ((flags & 0x0100) == 0 && !name.equals("finalize"));
                for (int attributes = in.readUnsignedShort(); attributes > 0; attributes--) {
                    String attribute = text[in.readUnsignedShort()];
                    byte[] body = new byte[in.readInt()];
                    in.readFully(body);
                    fine &= !attribute.equals("Code") || catchesNoError(body);
                }
            }
            return fine;
        }

        private boolean catchesNoError(byte[] body) throws IOException {
            DataInputStream code = new DataInputStream(new ByteArrayInputStream(body));
            code.skipBytes(4);
            code.skipBytes(code.readInt());
            for (int count = code.readUnsignedShort(); count > 0; count--) {
                code.skipBytes(6);
                int type = code.readUnsignedShort();
                if (type == 0 || UNCATCHABLE.contains(className(type))) {
                    return false; // 0 is finally, which may swallow an Error
                }
            }
            return true;
        }
    }
}
