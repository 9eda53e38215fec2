package astraios$sandbox;

import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.StringJoiner;

/** Finds methods and constructors by name and erased parameter types, as {@code add(int,java.util.List[])}. */
final class Members {
    private Members() {}

    static String key(Method method) {
        return method.getName() + parameters(method);
    }

    private static String parameters(Executable member) {
        StringJoiner names = new StringJoiner(",", "(", ")");
        for (Class<?> each : member.getParameterTypes()) {
            names.add(each.isArray() ? array(each) : each.getName());
        }
        return names.toString();
    }

    private static String array(Class<?> type) {
        return type.isArray() ? array(type.getComponentType()) + "[]" : type.getName();
    }

    static Constructor<?> constructor(Class<?> type, String key) throws NoSuchMethodException {
        for (Constructor<?> each : type.getDeclaredConstructors()) {
            if (parameters(each).equals(key)) {
                each.setAccessible(true);
                return each;
            }
        }
        throw new NoSuchMethodException(key);
    }

    /** A method of the class, of a superclass or of an interface, the nearest first. */
    static Method method(Class<?> type, String key) throws NoSuchMethodException {
        for (Class<?> each = type; each != null; each = each.getSuperclass()) {
            Method found = declared(each, key);
            if (found != null) {
                return found;
            }
        }
        return interfaceMethod(type, key);
    }

    /** A method of a public interface that the class implements. */
    static Method interfaceMethod(Class<?> type, String key) throws NoSuchMethodException {
        for (Method each : type.getMethods()) {
            if (each.getDeclaringClass().isInterface() && key(each).equals(key)) {
                return accessible(each);
            }
        }
        for (Class<?> each = type; each != null; each = each.getSuperclass()) {
            for (Class<?> parent : each.getInterfaces()) {
                Method found = inInterface(parent, key);
                if (found != null) {
                    return found;
                }
            }
        }
        throw new NoSuchMethodException(key);
    }

    private static Method inInterface(Class<?> type, String key) {
        for (Method each : type.getMethods()) {
            if (!Modifier.isStatic(each.getModifiers()) && key(each).equals(key)) {
                return accessible(each);
            }
        }
        return null;
    }

    private static Method declared(Class<?> type, String key) {
        if (!Modifier.isPublic(type.getModifiers()) && type.getName().startsWith("java.")) {
            return null; // its methods are called through the interface or the public class that declares them
        }
        Method found = null;
        for (Method each : type.getDeclaredMethods()) {
            if (key(each).equals(key) && (found == null || found.isBridge())) {
                found = each; // of methods that differ only in what they return, the one that was written
            }
        }
        return found == null ? null : accessible(found);
    }

    private static Method accessible(Method method) {
        if (!method.getDeclaringClass().getName().startsWith("java.")) {
            method.setAccessible(true);
        }
        return method;
    }
}
