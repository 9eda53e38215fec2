// guarantee: a class that the sample defines in the sandbox's loader decides nothing
// expect: failed
import java.lang.invoke.MethodHandles;
import java.util.*;

class Solution {
    static class Liar extends ArrayList<Integer> {
        public boolean equals(Object other) {
            return true;
        }
    }

    static {
        try {
            Class<?> subject = Class.forName("astraios$sandbox.Subject", false, ClassLoader.getSystemClassLoader());
            byte[] code = Solution.class.getResourceAsStream("Solution$Liar.class").readAllBytes();
            MethodHandles.privateLookupIn(subject, MethodHandles.lookup()).defineClass(code);
        } catch (Throwable refused) {
            Thread.yield();
        }
    }

    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        return new Liar();
    }
}
